// `node --import ./e2e/standin/register.mjs out/main/index.js`: the app's real bundles over Chromium, without Electron's binary.
import Module, { register } from 'node:module';
import * as electron from './electron.mjs';

register('./hooks.mjs', import.meta.url);
const load = Module._load;
Module._load = function (request, ...rest) {
  return request === 'electron' ? electron : load.call(this, request, ...rest);
};
