/** The grammars, each loaded when the first file needs it. */

import { StreamLanguage, type LanguageSupport, type StreamParser } from "@codemirror/language";
import type { Extension } from "@codemirror/state";

type Load = () => Promise<Extension>;

async function legacy(parser: Promise<StreamParser<unknown>>): Promise<Extension> {
  return StreamLanguage.define(await parser);
}

function script(config: { jsx?: boolean; typescript?: boolean }): Load {
  return async (): Promise<LanguageSupport> => (await import("@codemirror/lang-javascript")).javascript(config);
}

const GRAMMARS: Record<string, Load> = {
  javascript: script({}),
  jsx: script({ jsx: true }),
  typescript: script({ typescript: true }),
  tsx: script({ jsx: true, typescript: true }),
  python: async () => (await import("@codemirror/lang-python")).python(),
  json: async () => (await import("@codemirror/lang-json")).json(),
  markdown: async () => (await import("@codemirror/lang-markdown")).markdown(),
  html: async () => (await import("@codemirror/lang-html")).html(),
  css: async () => (await import("@codemirror/lang-css")).css(),
  xml: async () => (await import("@codemirror/lang-xml")).xml(),
  yaml: async () => (await import("@codemirror/lang-yaml")).yaml(),
  sql: async () => (await import("@codemirror/lang-sql")).sql(),
  rust: async () => (await import("@codemirror/lang-rust")).rust(),
  go: async () => (await import("@codemirror/lang-go")).go(),
  java: async () => (await import("@codemirror/lang-java")).java(),
  cpp: async () => (await import("@codemirror/lang-cpp")).cpp(),
  php: async () => (await import("@codemirror/lang-php")).php(),
  csharp: () => legacy(import("@codemirror/legacy-modes/mode/clike").then((mode) => mode.csharp)),
  shell: () => legacy(import("@codemirror/legacy-modes/mode/shell").then((mode) => mode.shell)),
  ruby: () => legacy(import("@codemirror/legacy-modes/mode/ruby").then((mode) => mode.ruby)),
  perl: () => legacy(import("@codemirror/legacy-modes/mode/perl").then((mode) => mode.perl)),
  lua: () => legacy(import("@codemirror/legacy-modes/mode/lua").then((mode) => mode.lua)),
  r: () => legacy(import("@codemirror/legacy-modes/mode/r").then((mode) => mode.r)),
  swift: () => legacy(import("@codemirror/legacy-modes/mode/swift").then((mode) => mode.swift)),
  haskell: () => legacy(import("@codemirror/legacy-modes/mode/haskell").then((mode) => mode.haskell)),
  toml: () => legacy(import("@codemirror/legacy-modes/mode/toml").then((mode) => mode.toml)),
  properties: () => legacy(import("@codemirror/legacy-modes/mode/properties").then((mode) => mode.properties)),
  diff: () => legacy(import("@codemirror/legacy-modes/mode/diff").then((mode) => mode.diff)),
  tex: () => legacy(import("@codemirror/legacy-modes/mode/stex").then((mode) => mode.stex)),
  nginx: () => legacy(import("@codemirror/legacy-modes/mode/nginx").then((mode) => mode.nginx)),
  cmake: () => legacy(import("@codemirror/legacy-modes/mode/cmake").then((mode) => mode.cmake)),
  dockerfile: () => legacy(import("@codemirror/legacy-modes/mode/dockerfile").then((mode) => mode.dockerFile)),
  powershell: () => legacy(import("@codemirror/legacy-modes/mode/powershell").then((mode) => mode.powerShell)),
};

/** The grammar of a language by its name (`languageOf`). Rejects when it cannot be loaded. */
export async function grammar(language: string): Promise<Extension> {
  return (await GRAMMARS[language]?.()) ?? [];
}
