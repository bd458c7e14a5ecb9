'use strict';

// node:http alone.

const http = require('node:http');
const { HELLO, body16k, parseArguments, race, summary } = require('./scenarios');

const { port } = parseArguments(['http']);
const body = body16k();

function end(response, text, type) {
  const headers = { 'Content-Length': Buffer.byteLength(text) };
  if (type) headers['Content-Type'] = type;
  response.writeHead(200, headers).end(text);
}

const JSON_TYPE = 'application/json';

const server = http.createServer((request, response) => {
  switch (request.url) {
    case '/':
      end(response, HELLO);
      break;
    case '/16k':
      end(response, body);
      break;
    case '/json':
      end(response, JSON.stringify(race()), JSON_TYPE);
      break;
    case '/post': {
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const page = JSON.parse(Buffer.concat(chunks));
        end(response, JSON.stringify(summary(page)), JSON_TYPE);
      });
      break;
    }
    case '/upload': {
      let received = 0;
      request.on('data', (chunk) => {
        received += chunk.length;
      });
      request.on('end', () => end(response, String(received)));
      break;
    }
    default:
      response.writeHead(404, { 'Content-Length': 0 }).end();
  }
});
// No limit to the requests of a connection: the default, said aloud.
server.maxRequestsPerSocket = 0;
server.listen(port, '127.0.0.1', 4096);
