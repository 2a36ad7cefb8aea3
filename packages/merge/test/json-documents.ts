/**
 * Documents as they are found in repositories: JSON and JSONC.
 *
 * @module
 */

export const packageJson = `{
  "name": "@example/harbour",
  "version": "3.4.1",
  "private": true,
  "description": "Berths, tides and the ships that wait for them",
  "author": { "name": "Ada", "email": "ada@example.org" },
  "type": "module",
  "exports": {
    ".": { "types": "./dist/main.d.ts", "default": "./dist/main.js" },
    "./tide": "./dist/tide.js"
  },
  "files": ["dist", "README.md", "LICENSE"],
  "scripts": {
    "build": "tsc -p .",
    "check": "npm run lint && npm test",
    "lint": "lint --quiet src",
    "test": "node --test"
  },
  "dependencies": {
    "anchor": "^1.2.0",
    "buoy": "~0.9.3",
    "compass": "4.0.0",
    "sextant": "^2.1.7"
  },
  "devDependencies": {
    "typescript": "5.9.2",
    "vitest": "^3.0.0"
  },
  "engines": { "node": ">=20" },
  "contributors": [
    { "name": "Ada", "role": "keeper", "since": 2019 },
    { "name": "Grace", "role": "pilot", "since": 2021 },
    { "name": "Edsger", "role": "clerk", "since": 2024 }
  ]
}
`

export const tsconfig = `{
  // Shared by every package; each adds its own "include".
  "compilerOptions": {
    "target": "ES2024",
    "module": "nodenext",
    "lib": ["ES2024", "DOM"], // no Node types here

    /* Strictness */
    "strict": true,
    "noUncheckedIndexedAccess": true,
    "exactOptionalPropertyTypes": true, // see the style guide

    // Output
    "outDir": "./dist",
    "declaration": true,
    "sourceMap": false,
    "paths": {
      "@app/*": ["./src/*"],
      "@test/*": ["./test/*", "./src/testing/*"],
    },
  },
  "include": [
    "src/**/*.ts",
    "test/**/*.ts", // unit tests only
  ],
  "exclude": ["node_modules", "dist"],
  "references": [
    { "path": "../core" },
    { "path": "../store" },
  ],
}
`

export const settings = `// Settings of the service. Restart it after a change.

{
  "server": { "host": "0.0.0.0", "port": 8080, "tls": null },
  "limits": {
    "requestsPerMinute": 600,
    "bodyBytes": 1048576,
    "ratio": 0.75
  },
  "features": [
    { "id": "dark-mode", "enabled": true, "rollout": 100 },
    { "id": "search", "enabled": false, "rollout": 5, "regions": ["eu", "us"] },
    {
      "id": "exports",
      "enabled": true,
      "rollout": 50
      // waits for the new queue
    }
  ],
  "origins": ["https://a.example.org", "https://b.example.org"],
  "matrix": [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1]
  ],
  "empty": {},
  "none": []
}
`
