// What does every page begin with? One heading that takes the focus after a move, its place in
// the whole, and a title for the window.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../messages/text";

export interface Crumb {
  href: string;
  text: string;
}

interface Props {
  title: string;
  lead?: ComponentChildren;
  crumbs?: Crumb[];
  children: ComponentChildren;
}

/** The first page of a visit keeps the browser's own focus. */
let moved = false;
export function willMove(): void {
  moved = true;
}

export function Page({ title, lead, crumbs, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = t("page.title", { title });
    if (moved) heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <article>
      {crumbs !== undefined && crumbs.length > 0 && (
        <nav class="crumbs" aria-label={t("nav.path")}>
          <ol>
            {crumbs.map(({ href, text }) => (
              <li key={href}><a href={href}>{text}</a></li>
            ))}
          </ol>
        </nav>
      )}
      <h1 ref={heading} tabIndex={-1}>{title}</h1>
      {lead !== undefined && <div class="lead">{lead}</div>}
      {children}
    </article>
  );
}

/** Addresses of the app's pages. */
export const to = {
  country: (code: string) => `/countries/${encodeURIComponent(code)}`,
  indicator: (code: string, id: string) => `/countries/${encodeURIComponent(code)}/indicators/${encodeURIComponent(id)}`,
  network: (asn: number) => `/networks/${asn}`,
  target: (url: string) => `/targets/${encodeURIComponent(url)}`,
  wave: (id: string) => `/waves/${encodeURIComponent(id)}`,
  measurement: (id: string) => `/measurements/${encodeURIComponent(id)}`,
};
