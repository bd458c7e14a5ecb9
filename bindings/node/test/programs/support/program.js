'use strict';

// Starts the programs of `examples/` as their users do, each a process of its own, and reads what
// they print.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const readline = require('node:readline');

const EXAMPLES = path.join(__dirname, '../examples');
const LEASH = path.join(__dirname, 'leash.js');

class Program {
  #lines = [];
  #waiting = [];

  constructor(child) {
    this.child = child;
    this.stderr = '';
    this.exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
    readline.createInterface({ input: child.stdout }).on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    child.once('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) {
      wake();
    }
  }

  /** Takes the next line that the program prints. */
  async line() {
    while (this.#lines.length === 0) {
      if (this.isClosed) {
        throw new Error(`the program has ended: ${this.stderr}`);
      }
      await new Promise((resolve) => this.#waiting.push(resolve));
    }
    return this.#lines.shift();
  }

  /** Stops it as Ctrl-C does not: at once. */
  async kill() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL');
    }
    await this.exited;
  }
}

/**
 * Starts an example, which prints `listening on PORT` first. It is ended with the test, and then
 * must neither have ended before, unless it was awaited, nor have complained.
 */
async function start(t, name, args = []) {
  const file = path.join(EXAMPLES, `${name}.js`);
  const child = spawn(process.execPath, ['--require', LEASH, file, '0', ...args]);
  const program = new Program(child);
  t.after(async () => {
    const code = child.exitCode;
    await program.kill();
    if (program.stderr !== '' || (code !== null && code !== 0)) {
      throw new Error(`${name} ended with ${code} and said: ${program.stderr}`);
    }
  });
  const [, port] = /^listening on (\d+)$/.exec(await program.line());
  program.port = Number(port);
  return program;
}

module.exports = { start };
