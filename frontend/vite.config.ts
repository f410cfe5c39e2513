import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg";

/** ReDoc's bundle asks for a logo on its maker's server, and for a module that does not exist. */
const redocOnItsOwn: Plugin = {
  name: "redoc-on-its-own",
  transform(code, id) {
    if (!id.includes("/redoc/bundles/")) return null;
    return { code: code.replaceAll(LOGO, "data:,").replaceAll('require("null")', "null"), map: null };
  },
};

export default defineConfig({
  // Relative addresses, because the server may be mounted under any prefix.
  base: "./",
  plugins: [redocOnItsOwn],
  build: {
    outDir: "../webterm/static",
    emptyOutDir: true,
    sourcemap: false,
    // What is carried along has to bring its licences.
    license: { fileName: "licenses.md" },
    // The content security policy allows images and fonts from our own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2048,
    rolldownOptions: { input: ["index.html", "docs.html", "redoc.html"] },
  },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.{ts,tsx}"],
  },
});
