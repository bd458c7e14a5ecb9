'use strict';

// The platforms that there are packages for: their names, what Rust calls them, and what npm has to
// match before it installs them.

const path = require('node:path');

const ROOT = path.join(__dirname, '..');

const PLATFORMS = [
  { name: 'linux-x64-gnu', target: 'x86_64-unknown-linux-gnu', libc: 'glibc' },
  { name: 'linux-x64-musl', target: 'x86_64-unknown-linux-musl', libc: 'musl' },
  { name: 'linux-arm64-gnu', target: 'aarch64-unknown-linux-gnu', libc: 'glibc' },
  { name: 'linux-arm64-musl', target: 'aarch64-unknown-linux-musl', libc: 'musl' },
  { name: 'darwin-x64', target: 'x86_64-apple-darwin' },
  { name: 'darwin-arm64', target: 'aarch64-apple-darwin' },
  { name: 'win32-x64-msvc', target: 'x86_64-pc-windows-msvc' },
].map(({ name, target, libc }) => {
  const [os, cpu] = name.split('-');
  return { name, target, os, cpu, libc, folder: path.join(ROOT, 'npm', name) };
});

// The licences of this repository, which every package carries.
const LICENCES = ['LICENSE-MIT', 'LICENSE-APACHE'];

module.exports = { LICENCES, PLATFORMS, ROOT };
