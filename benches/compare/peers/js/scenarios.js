'use strict';

// What every peer in JavaScript answers, so that all do the same work for the same bytes. The
// README of the harness says what each scenario asks for.

const RIDERS = [
  { number: 1, name: 'Aiko Tanaka', seconds: 10.912 },
  { number: 2, name: 'Marit de Vries', seconds: 11.034 },
  { number: 3, name: 'Jules "le Vite" Martin', seconds: 11.108 },
  { number: 4, name: 'Ines Ferreira', seconds: 11.275 },
  { number: 5, name: 'Tom Okafor', seconds: 11.301 },
];

/** The limits that all servers are given. */
exports.MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
exports.BACKPRESSURE_BYTES_MAX = 64 * 1024 * 1024;
exports.UPLOAD_BYTES_MAX = 1024 * 1024;

exports.HELLO = 'Hello world!';

/** The body of `GET /16k`. */
exports.body16k = () => Buffer.alloc(16 * 1024, 'abcdefghijklmnopqrstuvwxyz');

/** What `GET /json` is answered with: made into text for each request. */
exports.race = () => ({ race: 4711, riders: RIDERS });

/** What `POST /post` is answered with, from the object in the request's body. */
exports.summary = (page) => {
  let positions = 0;
  for (const item of page.items) positions += item.position;
  return { page: page.page, count: page.items.length, positions };
};

/** The port and the mode: `http`, `off`, `shared` or `pubsub`. */
exports.parseArguments = (modes) => {
  const [port, mode, ...rest] = process.argv.slice(2);
  if (!(Number(port) > 0) || !modes.includes(mode)) {
    console.error(`usage: PORT ${modes.join('|')}`);
    process.exit(2);
  }
  return { port: Number(port), mode, rest };
};
