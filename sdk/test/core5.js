// Preloaded by `npm run test:core5`: everything that asks for @icp-sdk/core gets version 5, from the package `core5`.

import { register } from 'node:module';

register(
  'data:text/javascript,' +
    encodeURIComponent(`
      export const resolve = (specifier, context, next) =>
        next(specifier.replace(/^@icp-sdk\\/core(?=\\/|$)/, 'core5'), context);
    `),
);
