// How does a chart of Observable Plot get onto the page? Drawn at the width that it has there,
// without the style element that the content security policy would refuse: those rules stand in
// the style sheet.
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../messages/text";

export type Marks = typeof import("./marks");

interface Props {
  /** What a reader who cannot see it is told. */
  label: string;
  /** Reserved until it is drawn, in pixels: the page must not jump. */
  height: number;
  draw: (marks: Marks, width: number) => Element;
  /** Draws again when one of these changes. */
  depends: readonly unknown[];
}

export function PlotArea({ label, height, draw, depends }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    const node = place.current;
    if (node === null) return;
    const watch = new ResizeObserver(() => setWidth(Math.floor(node.clientWidth)));
    watch.observe(node);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const node = place.current;
    if (node === null || width === 0) return;
    let left = false;
    import("./marks").then(
      (marks) => {
        if (left) return;
        const drawn = draw(marks, width);
        drawn.querySelectorAll("style").forEach((style) => style.remove());
        // Parts of an image have no names of their own (ARIA in HTML, role img).
        drawn.querySelectorAll("[aria-label]").forEach((part) => part.removeAttribute("aria-label"));
        drawn.setAttribute("role", "img");
        drawn.setAttribute("aria-label", label);
        node.replaceChildren(drawn);
      },
      () => setFailed(true),
    );
    return () => {
      left = true;
    };
  }, [width, label, ...depends]);
  return (
    <>
      {failed && <p role="alert">{t("figure.not_drawn")}</p>}
      <div ref={place} class="plot-place" style={{ minHeight: `${height}px` }} />
    </>
  );
}
