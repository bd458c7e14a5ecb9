'use strict';

// Express, in production mode.

const express = require('express');
const { HELLO, UPLOAD_BYTES_MAX, body16k, parseArguments, race, summary } = require('./scenarios');

const { port } = parseArguments(['http']);
const body = body16k();
const app = express();
// What its guide for production says to turn off, and to set.
app.disable('x-powered-by');
app.disable('etag');
app.set('env', 'production');

app.get('/', (req, res) => {
  res.send(HELLO);
});
app.get('/16k', (req, res) => {
  res.send(body);
});
app.get('/json', (req, res) => {
  res.json(race());
});
app.post('/post', express.json({ limit: UPLOAD_BYTES_MAX }), (req, res) => {
  res.json(summary(req.body));
});
app.post('/upload', (req, res) => {
  let received = 0;
  req.on('data', (chunk) => {
    received += chunk.length;
  });
  req.on('end', () => res.send(String(received)));
});
app.listen(port, '127.0.0.1', 4096);
