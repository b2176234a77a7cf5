// Where is it? Countries filled by what a page says of each; whatever nobody says anything of is
// hatched, because no event there is not the same as nothing happened there.
import { useId } from "preact/hooks";
import { useLocation } from "preact-iso";
import type { Drawn } from "../map/atlas";
import { Patterns } from "../map/Patterns";
import { t } from "../messages/text";
import { Textures } from "./Textures";
import type { Names } from "./words";

export interface Filled {
  title: string;
  /** Short, for maps with room. */
  figure: string;
  name: string;
  /** Class of the ground. */
  ground: string;
  texture: "hatch" | "suspected" | "ending" | null;
  href: string;
}

interface Props {
  drawn: Drawn;
  filled: ReadonlyMap<string, Filled>;
  label: string;
  names: Names;
}

export function PlaceMap({ drawn, filled, label, names }: Props) {
  const { route } = useLocation();
  const id = useId().replace(/\W/g, "");
  return (
    <svg class="map" viewBox={`0 0 ${drawn.width} ${drawn.height}`} role="img" aria-label={label}>
      <Patterns id={id} />
      <Textures id={id} />
      {drawn.shapes.map(({ code, path }, at) => {
        const found = code === null ? undefined : filled.get(code);
        if (found === undefined) {
          return (
            <g key={at} class="land" data-country={code ?? undefined}>
              <title>{t("map.nobody")}</title>
              <path d={path} fill={`url(#${id}-hatch)`} />
              <path class="coast faint" d={path} />
            </g>
          );
        }
        return (
          <g key={at} class="land measured" data-country={code} onClick={() => route(found.href)}>
            <title>{found.title}</title>
            <path class={found.ground} d={path} />
            {found.texture !== null && <path d={path} fill={`url(#${id}-${found.texture})`} />}
            <path class="coast" d={path} />
          </g>
        );
      })}
      {drawn.shapes.map(({ code, label: at }) => {
        const found = code === null ? undefined : filled.get(code);
        if (code === null || at === null) return null;
        return (
          <g key={code} class="map-label" transform={`translate(${at[0]} ${at[1]})`}>
            <text>{found?.name ?? names(code)}</text>
            <text class="figure" dy="1.15em">{found?.figure ?? t("event_state.not_covered")}</text>
          </g>
        );
      })}
    </svg>
  );
}

/** One field of a legend, drawn like the map. */
export function Field({ ground, texture }: Pick<Filled, "ground" | "texture">) {
  const id = useId().replace(/\W/g, "");
  return (
    <svg class="swatch" viewBox="0 0 36 18" aria-hidden="true">
      <Patterns id={id} />
      <Textures id={id} />
      <rect class={ground} width="36" height="18" />
      {texture !== null && <rect width="36" height="18" fill={`url(#${id}-${texture})`} />}
      <rect class="coast" x="0.5" y="0.5" width="35" height="17" />
    </svg>
  );
}
