// Whatever uWebSockets.js's own types promise, keirin's do too: its values can be used as theirs.

import * as keirin from 'keirin';
import * as theirs from '@uwsjs/core';

type Functions = Pick<
  typeof theirs,
  'App' | 'SSLApp' | 'getParts' | 'us_listen_socket_close' | 'us_socket_local_port'
>;
type Constants = Omit<
  typeof theirs,
  keyof Functions | 'default' | 'ListenOptions' | 'EnvironmentVariables'
>;

const functions: Functions = keirin;
const constants: Constants = keirin;
const app: theirs.TemplatedApp = keirin.App();
const behavior: keirin.WebSocketBehavior<string> = {} as theirs.WebSocketBehavior<string>;
const options: keirin.AppOptions = {} as theirs.AppOptions;
const text: keirin.RecognizedString = {} as theirs.RecognizedString;
const routes: keirin.RouteHandler = {} as (
  res: theirs.HttpResponse,
  req: theirs.HttpRequest,
) => void | Promise<void>;

export function response(res: keirin.HttpResponse): theirs.HttpResponse {
  return res;
}
export function request(req: keirin.HttpRequest): theirs.HttpRequest {
  return req;
}
export function socket<UserData>(ws: keirin.WebSocket<UserData>): theirs.WebSocket<UserData> {
  return ws;
}
export function part(field: keirin.MultipartField): theirs.MultipartField {
  return field;
}
console.log(functions, constants, app, behavior, options, text, routes);
