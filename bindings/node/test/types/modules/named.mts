// ECMAScript modules: every name, and everything as the default.

import keirin, { App, SHARED_COMPRESSOR, us_listen_socket_close } from 'keirin';
import type { HttpResponse, TemplatedApp } from 'keirin';

const app: TemplatedApp = App().get('/', (res: HttpResponse) => res.end(`${SHARED_COMPRESSOR}`));
app.listen(0, (token) => token && us_listen_socket_close(token));
const same: typeof App = keirin.App;
console.log(same === App);

// @ts-expect-error there is no such export
import { listen } from 'uWebSockets.js';
console.log(listen);
