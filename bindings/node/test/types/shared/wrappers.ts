// What frameworks on top of uWebSockets.js do with its types.

import * as uWS from 'uWebSockets.js';

type Method = 'get' | 'post' | 'put' | 'patch' | 'del' | 'options' | 'head' | 'any';
type Handler = (res: uWS.HttpResponse, req: uWS.HttpRequest) => void | Promise<void>;
type NativeSocket = uWS.WebSocket<Connection>;

interface Response extends uWS.HttpResponse {
  statusCode: number;
}

interface Connection {
  transport?: { send(data: string): void };
}

class Server {
  readonly #app: uWS.TemplatedApp;
  #token: uWS.us_listen_socket | null = null;

  constructor(options?: uWS.AppOptions) {
    this.#app = options?.cert_file_name ? uWS.SSLApp(options) : uWS.App(options);
  }

  route(method: Method, pattern: string, handler: Handler): this {
    this.#app[method](pattern, (native, req) => {
      const res = native as Response;
      res.statusCode = 200;
      res.request = req;
      return handler(res, req);
    });
    return this;
  }

  socket(pattern: string, options: Partial<uWS.WebSocketBehavior<Connection>>): this {
    this.#app.ws(pattern, {
      compression: options.compression,
      idleTimeout: options.idleTimeout,
      ...options,
      open(ws: NativeSocket) {
        ws.getUserData().transport = { send: (data) => ws.send(data) };
      },
    });
    return this;
  }

  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#app.listen(port, (token) => {
        if (!token) {
          reject(new Error('taken'));
          return;
        }
        this.#token = token;
        resolve(uWS.us_socket_local_port(token));
      });
    });
  }

  close(): boolean {
    if (this.#token === null) {
      return false;
    }
    uWS.us_listen_socket_close(this.#token);
    this.#token = null;
    return true;
  }
}

export { Server };
