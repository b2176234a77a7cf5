// Which parts of Observable Plot are used? Named one by one, so that the build leaves out the
// rest; loaded only with the first chart.
export { areaY, axisX, axisY, barX, dot, gridX, gridY, lineY, plot, rect, rectY, ruleX, ruleY, text, tickX } from "@observablehq/plot";
