// What do the numbers of protocols mean? The few names that a reader may know (IANA registries);
// everything else stays the number that it is.

const RTYPES: Record<number, string> = { 1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 43: "DS", 48: "DNSKEY", 65: "HTTPS" };
const RCODES: Record<number, string> = { 0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS" };
const VERSIONS: Record<number, string> = { 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3" };
const CIPHERS: Record<number, string> = { 0x1301: "TLS_AES_128_GCM_SHA256", 0x1302: "TLS_AES_256_GCM_SHA384", 0x1303: "TLS_CHACHA20_POLY1305_SHA256" };

export const rtype = (code: number): string => RTYPES[code] ?? `TYPE${code}`;
export const rcode = (code: number): string => RCODES[code] ?? `RCODE${code}`;
export const tlsVersion = (code: number): string => VERSIONS[code] ?? `0x${code.toString(16).padStart(4, "0")}`;
export const cipher = (code: number): string => CIPHERS[code] ?? `0x${code.toString(16).padStart(4, "0")}`;

/** RFC 1035 section 4.1.1 and RFC 4035: the flags that are set. */
export function flags(bits: number): string {
  const names: [number, string][] = [[0x8000, "QR"], [0x0400, "AA"], [0x0200, "TC"], [0x0100, "RD"], [0x0080, "RA"], [0x0020, "AD"], [0x0010, "CD"]];
  return names.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name).join(" ");
}

/** An address with its port, IPv6 in brackets. */
export const endpoint = (ip: string, port: number): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);

/** Hexadecimal as lines of sixteen bytes, with what of it is printable. */
export function dump(hex: string, most = 1024): string {
  const pairs = hex.slice(0, most * 2).match(/../g) ?? [];
  const lines: string[] = [];
  for (let at = 0; at < pairs.length; at += 16) {
    const row = pairs.slice(at, at + 16);
    const letters = row.map((pair) => {
      const code = parseInt(pair, 16);
      return code >= 32 && code < 127 ? String.fromCharCode(code) : ".";
    });
    lines.push(`${at.toString(16).padStart(4, "0")}  ${row.join(" ").padEnd(47)}  ${letters.join("")}`);
  }
  return lines.join("\n");
}
