//! The headers by themselves: nothing of the C interface is missing in them, and they compile for
//! whoever includes them.

use std::fs;

use crate::build::{check, compilers, in_tree, program};

fn read(path: &str) -> String {
    fs::read_to_string(in_tree(path)).expect("the tree is complete")
}

/// Everything that the C++ headers say.
fn cpp() -> String {
    let folder = fs::read_dir(in_tree("include/keirin")).expect("the tree is complete");
    let paths = folder.map(|entry| entry.expect("it is listed").path());
    paths
        .map(|path| fs::read_to_string(path).expect("it is text"))
        .collect()
}

/// The names of a text that start so, each with what follows it.
fn names<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.match_indices(prefix).map(move |(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        rest.split_at(end.unwrap_or(rest.len()))
    })
}

/// The header without its comments.
fn declarations(header: &str) -> String {
    let lines = header.lines().map(str::trim_start);
    lines
        .filter(|line| !line.starts_with("/*") && !line.starts_with('*'))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn everything_of_the_c_interface_is_there() {
    let header = declarations(&read("include/keirin.h"));
    let cpp = cpp();
    let has = |wanted: &str| names(&cpp, wanted).any(|(name, _)| name == wanted);
    let functions: Vec<_> = names(&header, "keirin_")
        .filter(|(_, rest)| rest.starts_with('('))
        .map(|(name, _)| name)
        .collect();
    assert!(functions.len() > 100, "{functions:?}");
    for function in functions {
        assert!(has(function), "{function} is not used in include/keirin/");
    }
    let mut constants = 0;
    for line in header
        .lines()
        .filter_map(|line| line.strip_prefix("#define "))
    {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        let is_number = value.parse::<i64>().is_ok();
        if is_number && !name.starts_with("KEIRIN_VERSION_") {
            constants += 1;
            assert!(has(name), "{name} is not used in include/keirin/");
        }
    }
    assert!(constants > 100, "{constants}");
}

#[test]
fn the_header_compiles_in_each_mode() {
    let source = in_tree("ffi/examples/chat.cpp");
    for compiler in compilers() {
        for mode in [["-std=c++20", "-O2"], ["-fno-exceptions", "-fno-rtti"]] {
            check(compiler, &source, &mode).unwrap_or_else(|said| panic!("{said}"));
        }
    }
    // The first compiler builds these to be run.
    for compiler in &compilers()[1..] {
        for program in ["exceptions", "lifetimes", "misuse", "surface"] {
            let source = in_tree(&format!("ffi/tests/cpp/{program}.cpp"));
            check(compiler, &source, &[]).unwrap_or_else(|said| panic!("{said}"));
        }
    }
}

#[test]
fn two_files_of_a_program_include_it() {
    let sources = ["ffi/tests/cpp/twice_a.cpp", "ffi/tests/cpp/twice_b.cpp"];
    let program = program(&sources, &[], "twice");
    let status = std::process::Command::new(program).status();
    assert!(status.expect("it starts").success());
}

#[test]
fn without_exceptions_a_refused_set_up_ends_the_program() {
    let sources = ["ffi/tests/cpp/no_exceptions.cpp"];
    let program = program(&sources, &["-fno-exceptions"], "no_exceptions");
    let output = std::process::Command::new(program).output();
    let output = output.expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.starts_with("keirin: ") && said.contains("nowhere"),
        "{said}"
    );
}

#[test]
fn handlers_that_change_what_they_capture_do_not_compile() {
    let source = in_tree("ffi/tests/cpp/mutable_handler.cpp");
    for compiler in compilers() {
        let said = check(compiler, &source, &[]).expect_err("several workers may call it");
        assert!(said.contains("no mutable lambda"), "{said}");
    }
}

#[test]
fn setters_give_on_what_has_a_name_and_never_move_it() {
    let source = in_tree("ffi/tests/cpp/chains.cpp");
    for compiler in compilers() {
        check(compiler, &source, &["-DFORM=0"]).unwrap_or_else(|said| panic!("{said}"));
        for form in 1..=4 {
            let form = format!("-DFORM={form}");
            let said = check(compiler, &source, &[&form]).expect_err("it would be a copy");
            assert!(said.contains("deleted"), "{form}: {said}");
        }
    }
}
