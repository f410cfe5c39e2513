/** Keep the page above an on-screen keyboard: its height follows the part of the window that can be seen. */

export function followViewport(): void {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const follow = (): void => {
    // A pinch zoom shrinks the viewport too, and must not move anything.
    if (viewport.scale > 1.01) return;
    document.documentElement.style.setProperty("--height", `${viewport.height}px`);
    window.scrollTo(0, 0);
  };
  viewport.addEventListener("resize", follow);
  follow();
}
