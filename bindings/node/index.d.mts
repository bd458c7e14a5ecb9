export * from './index.js';

/** Everything that has a name here, as `require('keirin')` gives it. */
declare const keirin: typeof import('./index.js');
export default keirin;
