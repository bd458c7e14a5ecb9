// CommonJS in both spellings of TypeScript.

import keirin = require('keirin');
import * as star from 'keirin';

const app: keirin.TemplatedApp = keirin.App();
const apps: star.TemplatedApp[] = [app, star.App(null), star.App()];
console.log(apps.length, keirin.DISABLED === star.DISABLED);
