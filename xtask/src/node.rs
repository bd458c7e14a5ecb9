//! The Node addon: built, and tested from JavaScript.

use crate::shell::{self, Result, command, find_program};

/// Folders of `bindings/node`, and how npm installs what they need.
const INSTALLED: &[(&str, &str)] = &[
    (".", "ci"),
    ("test", "ci"),
    ("test/nodes", "ci"),
    ("test/types/peer", "install"),
];

/// Builds the addon and runs its tests, which say by name what they lack.
pub(crate) fn test() -> Result {
    if let Some(program) = ["node", "npm"]
        .iter()
        .find(|name| find_program(name).is_none())
    {
        return Err(format!("the Node addon needs {program}, which is absent").into());
    }
    for (folder, install) in INSTALLED {
        npm(
            folder,
            &[install, "--ignore-scripts", "--no-audit", "--no-fund"],
        )?;
    }
    npm(".", &["run", "build"])?;
    npm("test", &["test"])
}

fn npm(folder: &str, arguments: &[&str]) -> Result {
    let folder = shell::root().join("bindings/node").join(folder);
    shell::run(command("npm", arguments).current_dir(folder))
}
