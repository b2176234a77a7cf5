// Which textures carry meaning where colour must not do so alone? A hatch for `insufficient`;
// dots, small or large, over values that are known roughly or barely.

export function Patterns({ id }: { id: string }) {
  return (
    <defs>
      <pattern id={`${id}-hatch`} width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect class="hatch-ground" width="8" height="8" />
        <rect class="hatch-line" width="2.6" height="8" />
      </pattern>
      <pattern id={`${id}-roughly`} width="12" height="12" patternUnits="userSpaceOnUse">
        <circle class="veil" cx="3" cy="3" r="1.7" />
        <circle class="veil" cx="9" cy="9" r="1.7" />
      </pattern>
      <pattern id={`${id}-barely`} width="12" height="12" patternUnits="userSpaceOnUse">
        <circle class="veil" cx="3" cy="3" r="3" />
        <circle class="veil" cx="9" cy="9" r="3" />
      </pattern>
    </defs>
  );
}
