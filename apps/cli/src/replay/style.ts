/** The look of the page; it follows the reader's choice of light or dark. */
export const STYLE = `
:root { color-scheme: light dark;
  --page: #fbfaf7; --card: #ffffff; --ink: #1c2326; --soft: #5d686d; --faint: #8b969b; --rule: #e5e2da;
  --ours: #0f766e; --ours-soft: #d5ece8; --real: #d9855f; --real-ink: #5d2409; --real-soft: #f8e6dc; --fine: #8aa0a8; --missed: #b3261e; --calm: #d8dcdb; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12181b; --card: #1a2226; --ink: #e8ecec; --soft: #a3afb3; --faint: #748187; --rule: #2b363b;
  --ours: #3cc2b1; --ours-soft: #173f3b; --real: #c9714b; --real-ink: #fff1e9; --real-soft: #3d281e; --fine: #627780; --missed: #f0776c; --calm: #333f44; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1140px; margin: 0 auto; padding: 56px 28px 80px; }
header p, .lead { color: var(--soft); max-width: 74ch; }
.over { text-transform: uppercase; letter-spacing: .12em; font-size: 12px; font-weight: 600; color: var(--ours); margin: 0 0 8px; }
h1 { font-size: clamp(28px, 4vw, 42px); line-height: 1.15; letter-spacing: -.02em; margin: 0 0 14px; font-weight: 650; text-wrap: balance; }
h2 { font-size: 22px; letter-spacing: -.01em; margin: 64px 0 6px; }
h3 { font-size: 19px; margin: 0; letter-spacing: -.01em; }
h4 { font-size: 13px; font-weight: 600; color: var(--soft); margin: 22px 0 6px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 14px; margin: 34px 0 0; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 14px; padding: 18px 20px; }
.tile b { display: block; font-size: 30px; line-height: 1.15; letter-spacing: -.02em; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile.good b { color: var(--ours); } .tile.bad b { color: var(--real); }
.tile span { color: var(--soft); font-size: 14px; }
.panel, .change { background: var(--card); border: 1px solid var(--rule); border-radius: 16px; padding: 24px 26px; margin: 18px 0; }
.wide { overflow-x: auto; } .wide svg { min-width: 820px; }
.key { display: flex; flex-wrap: wrap; gap: 6px 22px; font-size: 13.5px; color: var(--soft); margin: 0 0 14px; padding: 0; list-style: none; }
.key i { display: inline-block; width: 18px; height: 10px; border-radius: 3px; margin-right: 7px; }
.head { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; }
.badge { font-size: 13px; font-weight: 600; border-radius: 99px; padding: 3px 12px; background: var(--calm); color: var(--ink); }
.badge.ours { background: var(--ours-soft); color: var(--ours); } .badge.missed { background: var(--real-soft); color: var(--missed); }
.mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 13px; color: var(--soft); }
.columns { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px 34px; }
@media (max-width: 860px) { .columns { grid-template-columns: 1fr; } main { padding: 32px 16px 60px; } .panel, .change { padding: 18px 16px; } }
blockquote { margin: 14px 0 4px; padding: 10px 16px; border-left: 3px solid var(--ours); background: var(--ours-soft); border-radius: 0 10px 10px 0; }
blockquote.missed { border-color: var(--missed); background: var(--real-soft); }
blockquote.quiet { border-color: var(--fine); background: var(--page); }
.stages { display: flex; gap: 4px; margin: 4px 0 0; padding: 0; list-style: none; font-size: 13px; }
.stages li { flex: 1; min-width: 0; border-top: 5px solid var(--calm); padding: 5px 2px 0; color: var(--soft); }
.stages li.passed { border-color: var(--fine); color: var(--ink); } .stages li.stopped { border-color: var(--ours); color: var(--ours); font-weight: 600; }
.notes { margin: 8px 0 0; padding-left: 18px; color: var(--soft); font-size: 14.5px; } .notes li { margin: 3px 0; } .notes b { color: var(--ink); font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 600; font-size: 12.5px; } th, td { padding: 6px 10px 6px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
.grid td { text-align: center; border: 3px solid var(--card); border-radius: 8px; padding: 8px; } .grid th { padding: 6px 10px 6px 0; border: 0; vertical-align: middle; white-space: nowrap; }
.grid th.size { text-align: center; }
.met::before { content: "✓ "; color: var(--ours); font-weight: 700; } .unmet::before { content: "✗ "; color: var(--missed); font-weight: 700; }
.checks { columns: 2; column-gap: 40px; padding: 0; list-style: none; font-size: 14.5px; } .checks li { break-inside: avoid; margin: 4px 0; } .checks span { color: var(--faint); }
@media (max-width: 860px) { .checks { columns: 1; } }
.assumed { color: var(--missed); font-size: 12px; font-weight: 600; } .sourced { color: var(--ours); font-size: 12px; font-weight: 600; }
a { color: var(--ours); } footer { color: var(--faint); font-size: 13.5px; margin-top: 56px; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
svg text { fill: var(--soft); } svg .name { fill: var(--ink); font-size: 14px; font-weight: 600; } svg .faint, svg .tick { fill: var(--faint); font-size: 11.5px; }
svg .label { fill: var(--soft); font-size: 12.5px; } svg .value { fill: var(--ink); font-size: 12.5px; font-weight: 600; } svg .onbar { fill: var(--real-ink); font-size: 10px; font-weight: 600; }
svg .grid { stroke: var(--rule); stroke-width: 1; } rect.ours, i.ours { fill: var(--ours); background: var(--ours); } rect.real, i.real { fill: var(--real); background: var(--real); }
rect.fine, i.fine { fill: var(--fine); background: var(--fine); } rect.missed, i.missed { fill: var(--missed); background: var(--missed); } rect.calm, i.calm { fill: var(--calm); background: var(--calm); }
svg path { fill: none; stroke-linejoin: round; } svg .exposure { stroke: var(--ink); stroke-width: 2; } svg .decides { stroke: var(--ours); stroke-width: 2.5; } svg .other { stroke: var(--fine); stroke-width: 1.3; opacity: .75; }
svg .bound { stroke: var(--missed); stroke-width: 1.2; stroke-dasharray: 5 4; } svg .boundlabel { fill: var(--missed); font-size: 11.5px; }
svg .stop { stroke: var(--ours); stroke-width: 1.5; stroke-dasharray: 2 3; } svg .stoplabel { fill: var(--ours); font-size: 11.5px; }
`;
