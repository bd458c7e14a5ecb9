// The same for modules. Named exports cannot be chosen at run time, so those that the programs
// import are listed.

import path from 'node:path';
import { pathToFileURL } from 'node:url';

const peer = process.env.KEIRIN_TEST_PEER;
const folder = peer ? path.resolve(peer) : path.resolve(import.meta.dirname, '../../..');
const entry = peer ? 'ESM_wrapper.mjs' : 'index.mjs';
const uws = await import(pathToFileURL(path.join(folder, entry)));

export default uws.default;
export const {
  App,
  SSLApp,
  DEDICATED_COMPRESSOR_3KB,
  DISABLED,
  SHARED_COMPRESSOR,
  getParts,
  us_listen_socket_close,
  us_socket_local_port,
} = uws;
