//! Every piece of C++ in docs/cpp.md compiles: one with a `main` as it is, others in a function.

use std::fs;

use crate::build::{check, compilers, in_tree, scratch};

#[test]
fn the_code_of_the_page_compiles() {
    let page = fs::read_to_string(in_tree("docs/cpp.md")).expect("the tree is complete");
    let pieces: Vec<&str> = page
        .split("```cpp\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("there is a first part"))
        .collect();
    assert!(pieces.len() >= 5, "{} pieces", pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let source = if piece.contains("int main()") {
            (*piece).to_owned()
        } else {
            format!("{PREAMBLE}void piece(keirin::App app) {{\n{piece}}}\n")
        };
        let path = scratch(&format!("page-{index}.cpp"));
        fs::write(&path, source).expect("the folder is there");
        for compiler in compilers() {
            check(compiler, &path, &[]).unwrap_or_else(|said| panic!("{piece}\n{said}"));
        }
    }
}

/// What the pieces that are no programs take for granted.
const PREAMBLE: &str = "\
#include <keirin.hpp>
#include <poll.h>
#include <algorithm>
#include <climits>
#include <iostream>
#include <thread>
using namespace std::chrono_literals;
";
