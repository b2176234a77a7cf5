// What does a country's colour say? The value by a sequential palette; how well it is known by
// dots that cover it; `insufficient` by a hatch that no value has.
import { useId, useMemo } from "preact/hooks";
import { useLocation } from "preact-iso";
import type { Dim, WorldCountry } from "../api/types";
import { reading, type Reading } from "../format/estimate";
import { score } from "../format/number";
import { t } from "../messages/text";
import { sentence } from "../shell/Value";
import type { Drawn } from "./atlas";
import { Patterns } from "./Patterns";

interface Props {
  drawn: Drawn;
  dimension: Dim;
  countries: WorldCountry[];
  label: string;
}

export function WorldMap({ drawn, dimension, countries, label }: Props) {
  const { route } = useLocation();
  const id = useId().replace(/\W/g, "");
  const values = useMemo(
    () => new Map(countries.map((c) => [c.country, { name: c.name, read: reading(c.dimensions[dimension]) }])),
    [countries, dimension],
  );
  const { width, height } = drawn;
  return (
    <svg class="map" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      <Patterns id={id} />
      {drawn.shapes.map(({ code, path }, at) => {
        const found = code === null ? undefined : values.get(code);
        if (found === undefined) return <path key={at} class="land unmeasured" d={path} />;
        const { name, read } = found;
        return (
          <g
            key={at}
            class="land measured"
            data-country={code}
            onClick={() => route(`/countries/${code}`)}
          >
            <title>{`${name}: ${sentence(read)}`}</title>
            <path class={fill(read)} d={path} />
            {read.kind === "insufficient" && <path d={path} fill={`url(#${id}-hatch)`} />}
            {read.kind === "divided" && <path d={path} fill={`url(#${id}-divided)`} />}
            {read.kind === "published" && read.certainty !== "well" && (
              <path d={path} fill={`url(#${id}-${read.certainty})`} />
            )}
            <path class="coast" d={path} />
          </g>
        );
      })}
      {drawn.shapes.map(({ code, label: at }) => {
        const found = code === null ? undefined : values.get(code);
        if (found === undefined || at === null) return null;
        const { name, read } = found;
        return (
          <g key={code} class="map-label" transform={`translate(${at[0]} ${at[1]})`}>
            <text>{name}</text>
            <text class="figure" dy="1.15em">
              {read.kind === "published" ? score(read.point, read.interval) : t(`estimate.${read.kind}`)}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

function fill(read: Reading): string {
  return read.kind === "published" ? `step step-${read.step}` : "no-step";
}
