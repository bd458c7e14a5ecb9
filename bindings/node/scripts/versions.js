'use strict';

// The version of every package is that of the Rust workspace. What follows from it is written into
// each package.json, and into the lock file, which has nothing but links to the packages in npm/.

const fs = require('node:fs');
const path = require('node:path');

const { PLATFORMS, ROOT } = require('./platforms.js');

/** The version in the workspace's Cargo.toml. */
function workspaceVersion() {
  const text = fs.readFileSync(path.join(ROOT, '../../Cargo.toml'), 'utf8');
  const section = text.split(/^\[workspace\.package\]$/m)[1];
  const version = /^version = "([^"]+)"$/m.exec(section ?? '')?.[1];
  if (version === undefined) {
    throw new Error('Cargo.toml names no version in [workspace.package]');
  }
  return version;
}

function mainPackage(description, version) {
  const optionalDependencies = Object.fromEntries(
    PLATFORMS.map(({ name }) => [`@keirin/${name}`, version]),
  );
  return { ...description, version, optionalDependencies };
}

function platformPackage({ name, target, os, cpu, libc }, { license, engines }, version) {
  return {
    name: `@keirin/${name}`,
    version,
    description: `The binary of keirin for ${target}`,
    license,
    main: 'keirin.node',
    files: ['keirin.node', 'LICENSE-*'],
    engines,
    os: [os],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    // Package managers that keep packages zipped have to unpack this one to load it.
    preferUnplugged: true,
  };
}

/** In the order and form of npm, which would otherwise rewrite it. */
function lockFile({ name, license, engines, optionalDependencies }, version) {
  const links = {};
  const folders = {};
  for (const platform of [...PLATFORMS].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const resolved = `npm/${platform.name}`;
    links[`node_modules/@keirin/${platform.name}`] = { resolved, link: true };
    folders[resolved] = {
      name: `@keirin/${platform.name}`,
      version,
      cpu: [platform.cpu],
      ...(platform.libc === undefined ? {} : { libc: [platform.libc] }),
      license,
      optional: true,
      os: [platform.os],
      engines,
    };
  }
  const sorted = Object.fromEntries(Object.entries(optionalDependencies).sort());
  const itself = { name, version, license, engines, optionalDependencies: sorted };
  const packages = { '': itself, ...links, ...folders };
  return { name, version, lockfileVersion: 3, requires: true, packages };
}

/** The path from bindings/node, and the content, of each file that follows from a version. */
function files(version) {
  const current = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const description = mainPackage(current, version);
  const written = { 'package.json': description };
  for (const platform of PLATFORMS) {
    const file = `npm/${platform.name}/package.json`;
    written[file] = platformPackage(platform, description, version);
  }
  const lock = JSON.stringify(lockFile(description, version), undefined, 2);
  const others = Object.entries(written).map(([file, value]) => [file, json(value)]);
  return [...others, ['package-lock.json', `${lock}\n`]];
}

/** Like `JSON.stringify`, with short lists of words on one line. */
function json(value) {
  const text = JSON.stringify(value, undefined, 2);
  const short = text.replace(/\[\s+([^[\]{}]*?)\s+\]/g, (whole, inner) => {
    const line = `[${inner.replace(/\s+/g, ' ')}]`;
    return line.length <= 88 ? line : whole;
  });
  return `${short}\n`;
}

/** Writes what differs, and says which files those are. */
function write(version) {
  const stale = staleFiles(version);
  for (const [file, text] of stale) {
    fs.mkdirSync(path.dirname(path.join(ROOT, file)), { recursive: true });
    fs.writeFileSync(path.join(ROOT, file), text);
  }
  return stale.map(([file]) => file);
}

/** The files, with what should be in them, that are not as the version wants them. */
function staleFiles(version) {
  return files(version).filter(([file, text]) => {
    const place = path.join(ROOT, file);
    return !fs.existsSync(place) || fs.readFileSync(place, 'utf8') !== text;
  });
}

module.exports = { staleFiles, workspaceVersion, write };
