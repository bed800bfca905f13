import { defineConfig } from 'vite';

// Nothing inline and nothing from elsewhere: the server sends `Content-Security-Policy: default-src 'self'`.
export default defineConfig({
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'licences.txt' },
  },
});
