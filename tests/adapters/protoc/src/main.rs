//! Prints the path of a protobuf compiler.

fn main() {
    let path = protoc_bin_vendored::protoc_bin_path().expect("a compiler for this machine");
    println!("{}", path.display());
}
