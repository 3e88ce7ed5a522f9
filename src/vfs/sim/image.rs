//! The legal contents of a disk after a crash: counted, listed or sampled, and built.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::dice::{Dice, Seed};
use super::disk::{CallNo, Disk, Ino, Node, Step};
use super::file::FileNode;
use super::legal::{Before, Era, Legal, LegalPage, LegalSize, SizeAt, mark};
use super::names::{Kept, Tree};
use super::page::{Content, Page, PageMap};
use super::profile::{Profile, Torn};
use super::sample::{Draw, plan, torn_page};

/// Which image of a moment: the same number is the same image for the same disk and [`Tries`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageNo(pub u64);

/// How many images of a moment are tried, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Tearing of pages; only where images are sampled.
    pub torn: Torn,
    /// What decides where images are sampled.
    pub seed: Seed,
    /// Up to so many images are all tried.
    pub exhaustive_max: u64,
    /// Where there are more, so many are.
    pub samples: u64,
    /// Whether a write that is cut off leaves bytes outside its range alone, even in the sector
    /// that it changes.
    pub psow: bool,
}

impl Default for Tries {
    fn default() -> Tries {
        Tries {
            torn: Torn::default(),
            seed: Seed(0),
            exhaustive_max: 4096,
            samples: 512,
            psow: true,
        }
    }
}

/// The images that a crash at one moment may leave.
pub struct Images {
    disk: Disk,
    tries: Tries,
    /// Every surviving set of names, when all images are tried.
    layouts: Vec<Arc<Layout>>,
    /// How each sample is drawn, when images are sampled; else empty.
    draws: Vec<Draw>,
    len: u64,
    known: HashMap<(Kept, Step), Arc<Layout>>,
    legal: HashMap<(Ino, usize), Arc<Legal>>,
}

/// The files that have a name under one surviving set of names, with their legal contents.
struct Layout {
    kept: Kept,
    tree: Tree,
    files: Vec<Arc<Legal>>,
    /// Number of images with earlier layouts.
    first: u64,
    count: u64,
}

/// One image, chosen but not built. Made for being used again and again.
#[derive(Clone, Default)]
pub struct Choice {
    layout: Option<Arc<Layout>>,
    /// By file of the layout.
    sizes: Vec<SizeAt>,
    /// By visible page of each file, in order.
    versions: Vec<usize>,
    /// Pages that are none of their versions, by their position in `versions`, ascending.
    torn: Vec<(usize, Page)>,
}

/// One legal content of the disk after a crash.
#[derive(Clone)]
pub struct Image {
    /// Its number.
    pub no: ImageNo,
    /// Stands for all names and contents: equal images have equal digests.
    pub digest: u128,
    /// The content, all of it durable.
    pub disk: Disk,
}

/// What happened to one pending change, for a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A change of names.
    Name {
        /// The call that made it.
        call: CallNo,
        /// Whether it survived.
        kept: bool,
    },
    /// The size of a file that could have had another.
    Size {
        /// The file.
        path: Arc<Path>,
        /// Its size.
        size_bytes: u64,
    },
    /// A page that could have had another content.
    Page {
        /// The file.
        path: Arc<Path>,
        /// Number of the page, from 0.
        page: u64,
        /// Which of its versions, from 0, the oldest first.
        version: usize,
        /// How many it has.
        versions: usize,
        /// Whether it is a mixture of that version and another.
        torn: bool,
    },
}

impl Disk {
    /// The images that a crash at this moment may leave.
    pub fn images(&self, tries: Tries) -> Images {
        Images::new(self.clone(), tries)
    }
}

impl Images {
    fn new(disk: Disk, tries: Tries) -> Images {
        let mut images = Images {
            disk,
            tries,
            layouts: Vec::new(),
            draws: Vec::new(),
            len: 0,
            known: HashMap::new(),
            legal: HashMap::new(),
        };
        if !images.lay_out_all() {
            images.layouts.clear();
            images.draws = plan(&images.pending_calls(), tries);
            images.len = images.draws.len() as u64;
        }
        images
    }

    /// How many images are tried; some may be equal.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none, which never happens.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether all legal images are tried.
    pub fn is_exhaustive(&self) -> bool {
        self.draws.is_empty()
    }

    /// Chooses image `no`, which is below [`Images::len`].
    pub fn choose(&mut self, no: ImageNo, choice: &mut Choice) {
        choice.sizes.clear();
        choice.versions.clear();
        choice.torn.clear();
        match usize::try_from(no.0).ok().and_then(|at| self.draws.get(at)) {
            Some(draw) => {
                let dice = Dice::new(self.tries.seed.part(no.0));
                self.choose_sampled(*draw, dice, choice);
            }
            None => self.choose_listed(no.0, choice),
        }
    }

    fn choose_listed(&self, no: u64, choice: &mut Choice) {
        let after = self.layouts.partition_point(|layout| layout.first <= no);
        let Some(layout) = self.layouts.get(after.saturating_sub(1)) else { return };
        let mut rest = no - layout.first;
        for legal in &layout.files {
            let mut inside = rest % legal.count.max(1);
            rest /= legal.count.max(1);
            let Some((at, era, size)) = legal.nth(&mut inside) else { continue };
            choice.sizes.push(at);
            for page in size.visible(era) {
                let versions = page.versions.len() as u64;
                choice.versions.push(usize::try_from(inside % versions).unwrap_or_default());
                inside /= versions;
            }
        }
        choice.layout = Some(Arc::clone(layout));
    }

    fn choose_sampled(&mut self, draw: Draw, mut dice: Dice, choice: &mut Choice) {
        let layout = self.draw_layout(draw, &mut dice);
        for legal in &layout.files {
            let at = draw.size(legal, &mut dice);
            let Some((era, size)) = legal.size(at) else { continue };
            choice.sizes.push(at);
            for page in size.visible(era) {
                let version = draw.version(page, &mut dice);
                let slot = choice.versions.len();
                choice.versions.push(version);
                if draw.tears()
                    && let Some(page) = torn_page(page, version, self.tries, &mut dice)
                {
                    choice.torn.push((slot, page));
                }
            }
        }
        choice.layout = Some(layout);
    }

    fn draw_layout(&mut self, draw: Draw, dice: &mut Dice) -> Arc<Layout> {
        if self.disk.profile == Profile::StrictPosix {
            let keep = |op: &super::disk::NameOp| draw.keeps(op.call, dice);
            let kept = Kept::choose(&self.disk.name_ops, keep);
            return self.layout(kept, Before::ALL);
        }
        let before = draw.prefix(&self.journal(), dice);
        self.layout(Kept::before(&self.disk.name_ops, before.0), before)
    }

    /// 128 bits that stand for all names and contents of a chosen image.
    pub fn digest(&self, choice: &Choice) -> u128 {
        let Some(layout) = &choice.layout else { return 0 };
        let mut digest = layout.tree.digest;
        for_each_file(layout, choice, |file, size, pages| {
            let sum = pages.fold(0u128, |sum, (page, version, torn)| {
                let mark = match torn {
                    Some(torn) => mark(page.no, torn),
                    None => page.versions.get(version).map_or(0, |version| version.mark),
                };
                sum.wrapping_add(mark)
            });
            let mut bytes = [0; 40];
            let (content, place) = bytes.split_at_mut(24);
            let (pages, size_field) = content.split_at_mut(16);
            pages.copy_from_slice(&sum.to_le_bytes());
            size_field.copy_from_slice(&size.size_bytes.to_le_bytes());
            place.copy_from_slice(&file.mark.to_le_bytes());
            digest = digest.wrapping_add(xxh3_128(&bytes));
        });
        digest
    }

    /// The disk of a chosen image: everything on it is durable, and calls count from 0 again.
    pub fn build(&self, choice: &Choice) -> Disk {
        let mut disk = Disk::new(self.disk.profile);
        let Some(layout) = &choice.layout else { return disk };
        let mut nodes = self.disk.vacant_nodes();
        for (ino, node) in &layout.tree.dirs {
            Disk::settle(&mut nodes, *ino, Arc::clone(node));
        }
        for_each_file(layout, choice, |file, size, pages| {
            let mut content = Content {
                size_bytes: size.size_bytes,
                pages: PageMap::with_capacity(size.whole_pages + 1),
            };
            for (page, version, torn) in pages {
                let version = page.versions.get(version).map(|version| &version.page);
                if let Some(found) = torn.or(version) {
                    content.pages.push(page.no, Arc::clone(found));
                }
            }
            if let Ok(known) = self.disk.file(file.ino) {
                let at_rest = FileNode::at_rest(Arc::new(content), known.attributes);
                Disk::settle(&mut nodes, file.ino, Arc::new(Node::File(at_rest)));
            }
        });
        disk.nodes = nodes;
        disk
    }

    /// What a chosen image did with everything that could have gone another way.
    pub fn decisions(&self, choice: &Choice) -> Vec<Decision> {
        let Some(layout) = &choice.layout else { return Vec::new() };
        let names = self.disk.name_ops.iter().zip(layout.kept.flags());
        let mut decisions: Vec<Decision> =
            names.map(|(op, kept)| Decision::Name { call: op.call, kept: *kept }).collect();
        let mut files = layout.files.iter();
        for_each_file(layout, choice, |file, size, pages| {
            let sizes = files.next().map_or(0, |legal| legal.sizes());
            if sizes > 1 {
                let path = Arc::clone(&file.path);
                decisions.push(Decision::Size { path, size_bytes: size.size_bytes });
            }
            for (page, version, torn) in pages.filter(|(page, ..)| page.versions.len() > 1) {
                decisions.push(Decision::Page {
                    path: Arc::clone(&file.path),
                    page: page.no.0,
                    version,
                    versions: page.versions.len(),
                    torn: torn.is_some(),
                });
            }
        });
        decisions
    }

    /// Every image that is tried, equal ones once.
    pub fn distinct(mut self) -> impl Iterator<Item = Image> {
        let mut seen = HashSet::new();
        let mut choice = Choice::default();
        (0..self.len).filter_map(move |no| {
            self.choose(ImageNo(no), &mut choice);
            let digest = self.digest(&choice);
            let is_new = seen.insert(digest);
            is_new.then(|| Image { no: ImageNo(no), digest, disk: self.build(&choice) })
        })
    }
}

/// A visible page, which version of it was chosen, and what stands there instead if it is torn.
type Chosen<'a> = (&'a LegalPage, usize, Option<&'a Page>);

fn for_each_file<'a>(
    layout: &'a Layout,
    choice: &'a Choice,
    mut visit: impl FnMut(
        &'a super::names::TreeFile,
        &'a LegalSize,
        &mut dyn Iterator<Item = Chosen<'a>>,
    ),
) {
    let mut slots = choice.versions.iter().copied().enumerate();
    let mut torn = choice.torn.iter().peekable();
    for ((file, legal), at) in layout.tree.files.iter().zip(&layout.files).zip(&choice.sizes) {
        let Some((era, size)) = legal.size(*at) else { continue };
        let mut pages = size.visible(era).map_while(|page| {
            let (slot, version) = slots.next()?;
            let torn = torn.next_if(|(at, _)| *at == slot).map(|(_, page)| page);
            Some((page, version, torn))
        });
        visit(file, size, &mut pages);
        // Whatever the visitor left is passed over, so that the next file finds its own.
        pages.by_ref().for_each(drop);
    }
}

impl Images {
    /// Lists the layouts of every image there is; false when there are too many.
    fn lay_out_all(&mut self) -> bool {
        let limit = self.tries.exhaustive_max;
        let endings: Vec<(Kept, Before)> = match self.disk.profile {
            Profile::StrictPosix => match Kept::all(&self.disk.name_ops, limit) {
                Some(all) => all.into_iter().map(|kept| (kept, Before::ALL)).collect(),
                None => return false,
            },
            Profile::Kill => vec![self.ending(Before::ALL)],
            Profile::Drop => vec![self.ending(Before::NOTHING)],
            Profile::Ext4Ordered | Profile::Xfs | Profile::NoReorder => {
                let journal = self.journal();
                let ends = journal.iter().map(|(_, step)| Before(Step(step.0 + 1)));
                let all: Vec<Before> = std::iter::once(Before::NOTHING).chain(ends).collect();
                all.into_iter().map(|before| self.ending(before)).collect()
            }
        };
        let mut seen = HashSet::new();
        for (kept, before) in endings {
            let layout = self.new_layout(kept, before, self.len);
            // Names that nothing leads to any more make no difference.
            if self.disk.profile == Profile::StrictPosix && !seen.insert(layout.tree.identity) {
                continue;
            }
            self.len = self.len.saturating_add(layout.count);
            if self.len > limit {
                return false;
            }
            self.layouts.push(Arc::new(layout));
        }
        true
    }

    fn ending(&self, before: Before) -> (Kept, Before) {
        (Kept::before(&self.disk.name_ops, before.0), before)
    }

    /// Everything of which only a prefix survives, in issue order.
    fn journal(&self) -> Vec<(CallNo, Step)> {
        let names = self.disk.name_ops.iter().map(|op| (op.call, op.step));
        let in_order = self.disk.profile == Profile::NoReorder;
        let events = self.disk.files().flat_map(|(_, file)| &file.events);
        let events = events.filter(|event| in_order || event.waits_for_journal());
        let mut journal: Vec<(CallNo, Step)> =
            names.chain(events.map(|event| (event.call, event.step))).collect();
        journal.sort_unstable();
        journal.dedup();
        journal
    }

    /// Every call of which something is not durable.
    fn pending_calls(&self) -> Vec<CallNo> {
        let names = self.disk.name_ops.iter().map(|op| op.call);
        let events = self.disk.files().flat_map(|(_, file)| &file.events).map(|event| event.call);
        let mut calls: Vec<CallNo> = names.chain(events).collect();
        calls.sort_unstable();
        calls.dedup();
        calls
    }

    fn layout(&mut self, kept: Kept, before: Before) -> Arc<Layout> {
        let key = (kept, before.0);
        if let Some(layout) = self.known.get(&key) {
            return Arc::clone(layout);
        }
        let layout = Arc::new(self.new_layout(key.0.clone(), before, 0));
        self.known.insert(key, Arc::clone(&layout));
        layout
    }

    fn new_layout(&mut self, kept: Kept, before: Before, first: u64) -> Layout {
        let tree = Tree::of(&self.disk, &kept);
        let files: Vec<Arc<Legal>> =
            tree.files.iter().filter_map(|file| self.legal(file.ino, before)).collect();
        let count = files.iter().map(|legal| legal.count).fold(1, u64::saturating_mul);
        Layout { kept, tree, files, first, count }
    }

    fn legal(&mut self, ino: Ino, before: Before) -> Option<Arc<Legal>> {
        let file = self.disk.file(ino).ok()?;
        let profile = self.disk.profile;
        let key = (ino, Legal::key(file, profile, before));
        let legal =
            self.legal.entry(key).or_insert_with(|| Arc::new(Legal::of(file, profile, before)));
        Some(Arc::clone(legal))
    }
}

impl Legal {
    /// The size that content `no` of this file has; leaves in `no` the number among its contents.
    fn nth(&self, no: &mut u64) -> Option<(SizeAt, &Era, &LegalSize)> {
        for (at_era, era) in self.eras.iter().enumerate() {
            for (at_size, size) in era.sizes.iter().enumerate() {
                if *no < size.count {
                    return Some((SizeAt { era: at_era, size: at_size }, era, size));
                }
                *no -= size.count;
            }
        }
        None
    }

    fn size(&self, at: SizeAt) -> Option<(&Era, &LegalSize)> {
        let era = self.eras.get(at.era)?;
        Some((era, era.sizes.get(at.size)?))
    }

    /// The size that a choice stands for.
    pub(super) fn size_bytes(&self, at: SizeAt) -> u64 {
        self.size(at).map_or(0, |(_, size)| size.size_bytes)
    }

    /// How many sizes it may have.
    pub(super) fn sizes(&self) -> usize {
        self.eras.iter().map(|era| era.sizes.len()).sum()
    }
}
