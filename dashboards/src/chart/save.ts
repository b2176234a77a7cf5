// How does a chart leave the page? As a picture that explains itself: title, source, address,
// and whether its data is simulated.

export interface Caption {
  title: string;
  lines: string[];
}

const NS = "http://www.w3.org/2000/svg";
const KEPT = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linejoin",
  "opacity", "font-family", "font-size", "font-weight", "text-anchor", "paint-order", "dominant-baseline",
  "font-variant-numeric",
];

/** Puts what the style sheet says onto the elements themselves. */
function settle(from: Element, to: Element): void {
  const style = getComputedStyle(from);
  for (const name of KEPT) {
    const value = style.getPropertyValue(name);
    if (value !== "") to.setAttribute(name, value);
  }
  to.removeAttribute("class");
  to.removeAttribute("style");
  Array.from(from.children).forEach((child, at) => {
    const copy = to.children[at];
    if (copy !== undefined) settle(child, copy);
  });
}

function line(text: string, y: number, size: number, bold: boolean, colour: string): SVGTextElement {
  const node = document.createElementNS(NS, "text");
  for (const [name, value] of Object.entries({
    x: "12", y: String(y), "font-size": String(size), "font-family": "system-ui, sans-serif",
    "font-weight": bold ? "600" : "400", fill: colour,
  })) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

/** Breaks a sentence into lines of about this many letters. */
export function wrap(text: string, letters: number): string[] {
  const lines: string[] = [];
  for (const part of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + part.length < letters) lines[lines.length - 1] = `${last} ${part}`;
    else lines.push(part);
  }
  return lines;
}

/** The chart as a document of its own. */
export function picture(svg: SVGSVGElement, caption: Caption): { text: string; width: number; height: number } {
  const box = svg.getBoundingClientRect();
  const width = Math.max(320, Math.ceil(box.width));
  const height = Math.ceil(box.height);
  const colours = getComputedStyle(document.body);
  const [ink, paper] = [colours.color, colours.backgroundColor];
  const copy = svg.cloneNode(true) as SVGSVGElement;
  settle(svg, copy);
  const titles = wrap(caption.title, width / 8.4);
  const notes = caption.lines.flatMap((text) => wrap(text, width / 6.2));
  const top = 14 + titles.length * 20;
  const whole = top + height + 10 + notes.length * 15 + 8;
  const out = document.createElementNS(NS, "svg");
  out.setAttribute("xmlns", NS);
  out.setAttribute("width", String(width));
  out.setAttribute("height", String(whole));
  out.setAttribute("viewBox", `0 0 ${width} ${whole}`);
  const ground = document.createElementNS(NS, "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute("fill", paper);
  out.append(ground, ...titles.map((text, at) => line(text, 24 + at * 20, 16, true, ink)));
  copy.setAttribute("y", String(top));
  copy.setAttribute("x", "0");
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  out.append(copy, ...notes.map((text, at) => line(text, top + height + 18 + at * 15, 11, false, ink)));
  return { text: new XMLSerializer().serializeToString(out), width, height: whole };
}

export function save(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export function saveText(text: string, type: string, name: string): void {
  save(new Blob([text], { type: `${type};charset=utf-8` }), name);
}

export async function savePng(svg: SVGSVGElement, caption: Caption, name: string): Promise<void> {
  const { text, width, height } = picture(svg, caption);
  const address = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * 2, height * 2];
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const png = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
    if (png !== null) save(png, name);
  } finally {
    URL.revokeObjectURL(address);
  }
}
