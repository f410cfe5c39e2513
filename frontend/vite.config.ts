import { defineConfig } from "vitest/config";

export default defineConfig({
  // Relative addresses, because the server may be mounted under any prefix.
  base: "./",
  build: {
    outDir: "../webterm/static",
    emptyOutDir: true,
    sourcemap: false,
    // The content security policy allows images and fonts from our own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.ts"],
  },
});
