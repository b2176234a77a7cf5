// Which textures carry meaning where colour must not do so alone? A hatch for `insufficient`;
// halves, light and dark, for countries whose networks differ too much for one number; dots, small or large, over values that are known roughly or barely.

export function Patterns({ id }: { id: string }) {
  return (
    <defs>
      <pattern id={`${id}-hatch`} width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect class="hatch-ground" width="8" height="8" />
        <rect class="hatch-line" width="2.6" height="8" />
      </pattern>
      <pattern id={`${id}-divided`} width="14" height="14" patternUnits="userSpaceOnUse">
        <rect class="hatch-ground" width="14" height="14" />
        <path class="divided-half" d="M0 0h7v7h-7zM7 7h7v7h-7z" />
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
