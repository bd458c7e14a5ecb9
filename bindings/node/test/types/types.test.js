'use strict';

// Programs are compiled against index.d.ts, and have to compile; what must not compile is marked in
// keirin/misuse.ts. Those in shared/ are programs for uWebSockets.js, and compile with its own
// types as well, or else they would show nothing.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const ts = require('typescript');

const OURS = path.join(__dirname, '../../index.d.ts');
const OURS_FOR_MODULES = path.join(__dirname, '../../index.d.mts');
const THEIRS = path.join(__dirname, 'peer/node_modules/@uwsjs/core/index.d.ts');

const COMMON = {
  strict: true,
  noEmit: true,
  skipLibCheck: false,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts'],
  types: ['node'],
  typeRoots: [path.join(__dirname, '../node_modules/@types')],
  baseUrl: __dirname,
  ignoreDeprecations: '5.0',
};

function programs(folder) {
  const all = fs.readdirSync(path.join(__dirname, folder)).sort();
  assert.ok(all.length > 0);
  return all.map((file) => path.join(__dirname, folder, file));
}

function errors(files, options) {
  const program = ts.createProgram(files, { ...COMMON, ...options });
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n');
    const { file, start } = diagnostic;
    if (file === undefined) {
      return text;
    }
    const { line } = file.getLineAndCharacterOfPosition(start);
    return `${path.relative(__dirname, file.fileName)}:${line + 1}: ${text}`;
  });
}

const COMMONJS = {
  module: ts.ModuleKind.CommonJS,
  moduleResolution: ts.ModuleResolutionKind.Node10,
  esModuleInterop: true,
};
const NODE = {
  module: ts.ModuleKind.Node16,
  moduleResolution: ts.ModuleResolutionKind.Node16,
};

test('programs for uWebSockets.js compile with its own types', () => {
  assert.ok(fs.existsSync(THEIRS), `${THEIRS} is absent: npm install, in types/peer`);
  const paths = { 'uWebSockets.js': [THEIRS] };
  assert.deepEqual(errors(programs('shared'), { ...COMMONJS, paths }), []);
});

test('programs for uWebSockets.js compile with ours', () => {
  const paths = { 'uWebSockets.js': [OURS] };
  assert.deepEqual(errors(programs('shared'), { ...COMMONJS, paths }), []);
});

test('programs for keirin compile, and misuse does not', () => {
  const files = programs('keirin');
  const paths = { keirin: [OURS], '@uwsjs/core': [THEIRS] };
  assert.deepEqual(errors(files, { ...COMMONJS, paths }), []);
});

test('modules of both kinds find the types as npm installs them', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keirin-types-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.mkdirSync(path.join(folder, 'node_modules'));
  for (const name of ['keirin', 'uWebSockets.js']) {
    fs.symlinkSync(path.join(__dirname, '../..'), path.join(folder, 'node_modules', name));
  }
  const files = programs('modules').map((file) => {
    const copy = path.join(folder, path.basename(file));
    fs.copyFileSync(file, copy);
    return copy;
  });
  assert.deepEqual(errors(files, NODE), []);
});

test('the types need no setting of their users', () => {
  for (const options of [COMMONJS, NODE]) {
    const bare = { ...options, types: [], exactOptionalPropertyTypes: true, isolatedModules: true };
    assert.deepEqual(errors([OURS, OURS_FOR_MODULES], bare), []);
  }
});
