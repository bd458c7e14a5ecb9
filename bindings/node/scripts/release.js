'use strict';

// Makes the packages ready, and publishes them only when it is told to:
//
//   npm run release                        checks everything, says what would be published
//   npm run release -- --set-versions      writes the workspace's version into all packages
//   npm run release -- --publish           publishes, with provenance: in a workflow npm trusts
//   npm run release -- --publish --without darwin-x64,win32-x64-msvc
//                                          although those have no binary
//   npm run release -- --glibc-max 2.33    checks against another glibc than the one promised

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const binary = require('./binary.js');
const { PLATFORMS, ROOT } = require('./platforms.js');
const tarballs = require('./tarballs.js');
const versions = require('./versions.js');

function parse(parameters) {
  const options = { setVersions: false, publish: false, without: [], glibcMax: undefined };
  const rest = [...parameters];
  while (rest.length > 0) {
    const flag = rest.shift();
    if (flag === '--set-versions') {
      options.setVersions = true;
    } else if (flag === '--publish') {
      options.publish = true;
    } else if (flag === '--without' && rest.length > 0) {
      options.without = rest.shift().split(',');
    } else if (flag === '--glibc-max' && rest.length > 0) {
      options.glibcMax = rest.shift();
    } else {
      throw new Error(`what is ${flag}? npm run release [-- [--set-versions] [--publish] ` +
        '[--without NAMES] [--glibc-max VERSION]]');
    }
  }
  const unknown = options.without.filter((name) => !PLATFORMS.some((each) => each.name === name));
  if (unknown.length > 0) {
    throw new Error(`there is no platform ${unknown.join(', ')}`);
  }
  return options;
}

function hasBinary({ folder }) {
  return fs.existsSync(path.join(folder, 'keirin.node'));
}

/** Faults of one platform's package; of a binary for Linux also what it asks of the system. */
function platformFaults(platform, limits) {
  const faults = tarballs.faults(platform.folder, tarballs.platformFiles());
  if (platform.libc !== 'glibc') {
    return faults;
  }
  const needs = binary.requirements(path.join(platform.folder, 'keirin.node'));
  console.log(`  asks for glibc ${binary.glibcFloor(needs.symbols)}, ${needs.libraries.join(' ')}`);
  return [...faults, ...binary.excesses(needs, limits)];
}

/** Says what each package is, and gives back what is wrong with all of them. */
function check(version, present, limits) {
  const faults = versions.staleFiles(version).map(([file]) => {
    return `${file}: not as version ${version} wants it; --set-versions mends that`;
  });
  for (const platform of present) {
    console.log(`@keirin/${platform.name} ${version}`);
    const found = platformFaults(platform, limits);
    faults.push(...found.map((fault) => `@keirin/${platform.name}: ${fault}`));
  }
  console.log(`keirin ${version}`);
  const main = tarballs.faults(ROOT, tarballs.mainFiles());
  return [...faults, ...main.map((fault) => `keirin: ${fault}`)];
}

/** The packages of the platforms go first: nobody is to get a main package without them. */
function publish(present) {
  for (const folder of [...present.map((platform) => platform.folder), ROOT]) {
    const command = ['publish', '--provenance', '--access', 'public', '--ignore-scripts'];
    execFileSync('npm', command, { cwd: folder, stdio: 'inherit' });
  }
}

function main() {
  const options = parse(process.argv.slice(2));
  const version = versions.workspaceVersion();
  if (options.setVersions) {
    const written = versions.write(version);
    console.log(written.length === 0 ? `all at ${version}` : `${version}: ${written.join(' ')}`);
    return;
  }
  const present = PLATFORMS.filter(hasBinary);
  const absent = PLATFORMS.filter((platform) => !hasBinary(platform)).map(({ name }) => name);
  for (const name of absent) {
    console.log(`@keirin/${name}: no binary in npm/${name}`);
  }
  const faults = check(version, present, { glibcMax: options.glibcMax });
  const unwanted = absent.filter((name) => !options.without.includes(name));
  if (options.publish && options.glibcMax !== undefined) {
    faults.push('--glibc-max is for looking, not for publishing');
  }
  if (options.publish && unwanted.length > 0) {
    faults.push(`no binary for ${unwanted.join(', ')}: build them, or name them with --without`);
  }
  if (faults.length > 0) {
    throw new Error(`\n  ${faults.join('\n  ')}`);
  }
  if (options.publish) {
    publish(present);
  } else {
    console.log('all is well; nothing is published without --publish');
  }
}

try {
  main();
} catch (error) {
  console.error(`release: ${error.message}`);
  process.exitCode = 1;
}
