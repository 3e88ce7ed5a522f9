//! Procedures for a maintenance window, as one literate text each: prose for people around the code
//! that `sh` runs. Both renderings come from it, so they cannot tell different things.

mod procedure;

use std::str::FromStr;

pub use procedure::Name;

/// The text that all procedures share; `{{words}}` are filled in.
const TEMPLATE: &str = include_str!("switch.md");

/// In which shape a procedure is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Render {
    /// A script.
    Sh,
    /// Prose, with the script in it.
    Md,
}

impl Render {
    /// Every shape.
    pub const ALL: [Render; 2] = [Render::Sh, Render::Md];

    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Render::Sh => "sh",
            Render::Md => "md",
        }
    }
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name: letters, digits, dots, dashes, underscores.
    name: String,
    /// Its data directory, where the operator named it.
    data: Option<String>,
}

/// Why a word names no node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The name would not be one word of a script or of a file name.
    #[error("a name has letters, digits, dots, dashes and underscores, and begins with none of .-")]
    Name,
    /// The directory is empty, or would break a line.
    #[error("a data directory is not empty and has no control characters")]
    Data,
}

impl FromStr for Node {
    type Err = NodeError;

    /// Reads `NAME`, or `NAME=DIR`.
    fn from_str(text: &str) -> Result<Node, NodeError> {
        let (name, data) = match text.split_once('=') {
            Some((name, data)) => (name, Some(data)),
            None => (text, None),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(is_plain) {
            return Err(NodeError::Name);
        }
        if data.is_some_and(|data| data.is_empty() || data.chars().any(char::is_control)) {
            return Err(NodeError::Data);
        }
        Ok(Node { name: name.to_owned(), data: data.map(str::to_owned) })
    }
}

/// The first name that two of `nodes` have.
pub fn twice(nodes: &[Node]) -> Option<&str> {
    let is_earlier =
        |at: usize, node: &Node| nodes.iter().take(at).any(|one| one.name == node.name);
    let twin = nodes.iter().enumerate().find(|(at, node)| is_earlier(*at, node));
    twin.map(|(_, node)| node.name.as_str())
}

/// The procedure `name` for `nodes`, or for one node without a name, as text. `command` is the
/// command line that asked for it.
pub fn render(name: Name, nodes: &[Node], shape: Render, command: &str) -> String {
    let text = filled(name, nodes, command);
    match shape {
        Render::Md => text,
        Render::Sh => code(&text),
    }
}

/// The template with everything filled in.
fn filled(name: Name, nodes: &[Node], command: &str) -> String {
    let alone = [Node { name: "node".to_owned(), data: None }];
    let is_alone = nodes.is_empty();
    let nodes = if is_alone { &alone } else { nodes };
    let procedure = name.procedure();
    let mut words = procedure.words();
    let data = |(at, node): (usize, &Node)| {
        let number = at + 1;
        match &node.data {
            Some(data) => format!("DATA_{number}=${{DATA_{number}:-{}}}", quoted(data)),
            None if is_alone => {
                format!("DATA_{number}=${{DATA_{number}:-${{DATA:-{}}}}}", quoted(procedure.data))
            }
            None => {
                let name = &node.name;
                format!("DATA_{number}=${{DATA_{number}:?is the data directory of {name}: set it}}")
            }
        }
    };
    let lines = |lines: Vec<String>| lines.join("\n");
    let each = |(at, node): (usize, &Node)| {
        format!("    \"$1\" {} \"$DATA_{}\"", quoted(&node.name), at + 1)
    };
    let paths: Vec<String> = (1..=nodes.len()).map(|at| format!("\"$DATA_{at}\"")).collect();
    words.push(("data", lines(nodes.iter().enumerate().map(data).collect())));
    words.push(("each", lines(nodes.iter().enumerate().map(each).collect())));
    words.push(("paths", paths.join(" ")));
    words.push(("command", command.to_owned()));
    words.push(("name", name.as_str().to_owned()));
    words.push(("script", format!("{}.sh", name.as_str())));
    // In one pass, so that nothing that was filled in is filled in again.
    let mut text = String::with_capacity(TEMPLATE.len() * 2);
    let mut rest = TEMPLATE;
    while let Some((before, behind)) = rest.split_once("{{") {
        text.push_str(before);
        let (key, behind) = behind.split_once("}}").unwrap_or((behind, ""));
        let word = words.iter().find(|(name, _)| *name == key);
        text.push_str(word.map_or("", |(_, word)| word));
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// The code blocks of a text, one after the other.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line) {
            (false, "```sh") => {
                inside = true;
                if !code.is_empty() {
                    code.push('\n');
                }
            }
            (true, "```") => inside = false,
            (true, line) => {
                code.push_str(line);
                code.push('\n');
            }
            (false, _) => {}
        }
    }
    code
}

/// `text` as one word of `sh`.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_template_is_known_and_none_is_left() {
        for name in Name::ALL {
            let node: Node = "n1=/mnt/it's n1".parse().expect("a node");
            let known = name.procedure().words();
            let others = ["data", "each", "paths", "command", "name", "script"];
            for (at, _) in TEMPLATE.match_indices("{{") {
                let key = TEMPLATE[at + 2..].split_once("}}").expect("closed").0;
                let is_known = known.iter().any(|(word, _)| *word == key) || others.contains(&key);
                assert!(is_known, "{key}");
            }
            let text = render(name, &[node], Render::Md, "raftlog runbook");
            assert!(!text.contains("{{") && !text.contains("}}\n"), "{text}");
            assert!(text.contains(r"DATA_1=${DATA_1:-'/mnt/it'\''s n1'}"), "{text}");
        }
    }

    #[test]
    fn what_is_filled_in_is_not_filled_in_again() {
        let node: Node = "a=/mnt/{{from}}".parse().expect("a node");
        let text = render(Name::DkronFastlog, &[node], Render::Sh, "x");
        assert!(text.contains("/mnt/{{from}}"), "{text}");
    }

    #[test]
    fn the_script_is_the_code_of_the_text_and_nothing_else() {
        let text = "words\n```sh\na\n```\nmore\n```text\nno\n```\n```sh\nb\n```\n";
        assert_eq!(code(text), "a\n\nb\n");
    }

    #[test]
    fn names_that_a_script_could_misread_are_refused() {
        for bad in ["", "a b", "-a", ".a", "a/b", "a;b", "ä", "=x", "$a"] {
            assert_eq!(bad.parse::<Node>(), Err(NodeError::Name), "{bad}");
        }
        for bad in ["a=", "a=x\ny"] {
            assert_eq!(bad.parse::<Node>(), Err(NodeError::Data), "{bad}");
        }
        let node: Node = "eu-1.n_2=/mnt/a b=c".parse().expect("a node");
        assert_eq!((node.name.as_str(), node.data.as_deref()), ("eu-1.n_2", Some("/mnt/a b=c")));
        let nodes = ["a", "b", "a"].map(|name| name.parse().expect("a node"));
        assert_eq!((twice(&nodes), twice(&nodes[..2])), (Some("a"), None));
    }
}
