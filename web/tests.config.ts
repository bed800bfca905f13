import { readdirSync } from 'node:fs';
import { defineConfig } from 'vite';

const directory = 'tests';
const inputs = readdirSync(directory).filter((name) => name.endsWith('.test.ts'));

// Makes the tests plain modules that any supported Node runs.
export default defineConfig({
  publicDir: false,
  build: {
    ssr: true,
    target: 'node20',
    outDir: 'tests-built',
    rolldownOptions: {
      input: inputs.map((name) => `${directory}/${name}`),
      external: ['playwright-core'],
    },
  },
});
