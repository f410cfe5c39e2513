/** What a file's name says about the language in it. */

const NAMES: Record<string, string> = {
  dockerfile: "dockerfile",
  containerfile: "dockerfile",
  makefile: "shell",
  "cmakelists.txt": "cmake",
  "nginx.conf": "nginx",
  ".bashrc": "shell",
  ".profile": "shell",
  ".bash_profile": "shell",
  ".zshrc": "shell",
  ".gitconfig": "properties",
  ".editorconfig": "properties",
  ".npmrc": "properties",
  ".env": "shell",
  "go.mod": "go",
  gemfile: "ruby",
  rakefile: "ruby",
  "cargo.lock": "toml",
  "poetry.lock": "toml",
};

const ENDINGS: Record<string, string> = {
  ...all("javascript", "js mjs cjs"),
  ...all("jsx", "jsx"),
  ...all("typescript", "ts mts cts"),
  ...all("tsx", "tsx"),
  ...all("python", "py pyi pyw"),
  ...all("json", "json jsonc json5 webmanifest ipynb geojson"),
  ...all("markdown", "md markdown mdx"),
  ...all("html", "html htm xhtml vue svelte"),
  ...all("css", "css scss less"),
  ...all("xml", "xml svg xsd xsl xslt plist rss atom"),
  ...all("yaml", "yaml yml"),
  ...all("toml", "toml"),
  ...all("sql", "sql ddl"),
  ...all("rust", "rs"),
  ...all("go", "go"),
  ...all("java", "java kt kts scala groovy gradle"),
  ...all("cpp", "c h cc cpp cxx hh hpp hxx ino cu"),
  ...all("csharp", "cs"),
  ...all("php", "php phtml"),
  ...all("shell", "sh bash zsh ksh fish mk bats"),
  ...all("ruby", "rb rake gemspec"),
  ...all("perl", "pl pm"),
  ...all("lua", "lua"),
  ...all("r", "r"),
  ...all("swift", "swift"),
  ...all("haskell", "hs"),
  ...all("properties", "ini cfg conf properties service desktop"),
  ...all("diff", "diff patch"),
  ...all("tex", "tex sty cls"),
  ...all("powershell", "ps1 psm1"),
  ...all("dockerfile", "dockerfile"),
  ...all("cmake", "cmake"),
};

function all(language: string, endings: string): Record<string, string> {
  return Object.fromEntries(endings.split(" ").map((ending) => [ending, language]));
}

/** The name of a language, or null where nothing is known. */
export function languageOf(name: string): string | null {
  const lower = name.toLowerCase();
  if (Object.hasOwn(NAMES, lower)) return NAMES[lower] as string;
  const ending = lower.slice(lower.lastIndexOf(".") + 1);
  return lower.includes(".") && Object.hasOwn(ENDINGS, ending) ? (ENDINGS[ending] as string) : null;
}
