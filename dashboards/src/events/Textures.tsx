// Which textures tell the states of countries apart on a map, beside how dark they are?

export function Textures({ id }: { id: string }) {
  return (
    <defs>
      <pattern id={`${id}-suspected`} width="9" height="9" patternUnits="userSpaceOnUse">
        <circle class="texture-ink" cx="4.5" cy="4.5" r="2.3" />
      </pattern>
      <pattern id={`${id}-ending`} width="9" height="9" patternUnits="userSpaceOnUse">
        <rect class="texture-ink" width="9" height="2.6" />
      </pattern>
    </defs>
  );
}
