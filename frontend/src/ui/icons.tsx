/** The page's small pictures, drawn with lines on 16 × 16. */

const PATHS = {
  plus: "M8 3v10M3 8h10",
  cross: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  folder: "M2 4h4.5l1.5 1.5h6V13H2z",
  link: "M7 9.5a2.5 2.5 0 0 0 3.5 0l2-2a2.5 2.5 0 0 0-3.5-3.5l-.7.7M9 6.5a2.5 2.5 0 0 0-3.5 0l-2 2a2.5 2.5 0 0 0 3.5 3.5l.7-.7",
  program: "M3 4l3.5 3.5L3 11M8.5 12h4.5",
  chevron: "M6 4l4 4-4 4",
  dots: "M8 3.5v.01M8 8v.01M8 12.5v.01",
  sidebar: "M2 3h12v10H2zM6 3v10",
  new_file: "M8 14H3V2h5l3 3v2M8 2v3h3M12 9v5M9.5 11.5h5",
  new_folder: "M8 13H2V4h4.5l1.5 1.5h6V7M12 9v5M9.5 11.5h5",
  upload: "M8 11V3M5 5.5L8 2.5l3 3M2.5 11v2.5h11V11",
  upload_folder: "M8 13H2V4h4.5l1.5 1.5h6V8M12 14v-5M9.8 11l2.2-2.2 2.2 2.2",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 1 0 0-9M10.5 10.5l3.5 3.5",
  eye: "M1.5 8c3-5.5 10-5.5 13 0-3 5.5-10 5.5-13 0M8 6a2 2 0 1 0 0 4 2 2 0 1 0 0-4",
  reload: "M13 8a5 5 0 1 1-1.5-3.600M13 2.5v3h-3",
  globe: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M2.5 8h11M8 2.500c-3 3.5-3 7.5 0 11M8 2.500c3 3.5 3 7.5 0 11",
  out: "M9 3h4v4M13 3L7.5 8.500M12 9.500V13H3V4h3.5",
  boxes: "M2 2.5h5v5H2zM9 2.5h5v5H9zM2 9.5h5v5H2zM9 9.5h5v5H9z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true" class={name === "dots" ? "dots" : undefined}>
      <path d={PATHS[name]} />
    </svg>
  );
}
