/// The style sheet of a page. Colors are variables, so that light and dark differ in one place; all text has a contrast of
/// 4.5 or more to what it stands on.
enum PageStyle {
  static let css = """

    :root {
      --paper: #ffffff; --raised: #f5f6f8; --ink: #1b1f24; --faint: #57606a; --rule: #d4d9df; --link: #0757b5;
      --focus: #0757b5; --warn: #8a4600; --right: 26, 115, 62; --wrong: 176, 42, 18; --shaded-ink: #ffffff;
      --s1: #0a5fb4; --s2: #b4430a; --s3: #1d7a3d; --s4: #8a3ea8; --s5: #7a6400; --s6: #56606b; --s7: #a8326f; --s8: #0f7280;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --paper: #14171b; --raised: #1e2329; --ink: #e8ebee; --faint: #a3adb8; --rule: #39414a; --link: #7cb8ff;
        --focus: #7cb8ff; --warn: #f0b060; --right: 74, 186, 116; --wrong: 255, 124, 92; --shaded-ink: #0d0f12;
        --s1: #6bb1ff; --s2: #ff9a5c; --s3: #62cf87; --s4: #d49aec; --s5: #dcc34a; --s6: #aab4bf; --s7: #f28dbe; --s8: #5cc9d8;
      }
    }
    .s1 { --s: var(--s1) } .s2 { --s: var(--s2); --dash: 7 3 } .s3 { --s: var(--s3); --dash: 2 3 }
    .s4 { --s: var(--s4); --dash: 9 3 2 3 } .s5 { --s: var(--s5); --dash: 12 4 } .s6 { --s: var(--s6); --dash: 4 2 }
    .s7 { --s: var(--s7); --dash: 1 2 } .s8 { --s: var(--s8); --dash: 9 2 2 2 2 2 }

    * { box-sizing: border-box }
    html { background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue",
      Arial, "DejaVu Sans", sans-serif; scroll-padding-top: 4rem; overflow-wrap: break-word; text-size-adjust: 100% }
    body { margin: 0 auto; max-width: 84rem; padding: 0 clamp(.9rem, 3vw, 2.5rem) 3rem }
    a { color: var(--link) }
    :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 2px }
    main:focus { outline: none }
    .skip { position: absolute; left: -100vw; top: 0; background: var(--paper); padding: .5rem 1rem; z-index: 9 }
    .skip:focus { left: .5rem }
    .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
    h1 { font-size: clamp(1.4rem, 4vw, 2rem); line-height: 1.2; margin: 1.6rem 0 .2rem; overflow-wrap: anywhere }
    h2 { font-size: 1.3rem; line-height: 1.25; margin: 0 0 .8rem }
    h3 { font-size: 1.05rem; margin: 1.6rem 0 .5rem; overflow-wrap: anywhere }
    header p { margin: 0 0 1rem; color: var(--faint) }
    p { max-width: 46rem }
    nav { position: sticky; top: 0; background: var(--paper); border-bottom: 1px solid var(--rule); z-index: 5 }
    nav ul { display: flex; gap: 0 1rem; list-style: none; margin: 0; padding: 0; overflow-x: auto; scrollbar-width: thin }
    nav a { display: block; padding: .6rem 0; white-space: nowrap; text-decoration: none; font-size: .95rem }
    nav a:hover { text-decoration: underline }
    section { padding: 1.8rem 0 .6rem; border-bottom: 1px solid var(--rule) }
    footer { color: var(--faint); font-size: .9rem }
    .note { color: var(--faint); font-size: .9rem; margin: .3rem 0 .6rem }
    .missing { border-left: 4px solid var(--warn); background: var(--raised); padding: .6rem .9rem; margin: .6rem 0;
      overflow-wrap: anywhere }
    code, pre { font: .875rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
    pre { background: var(--raised); border: 1px solid var(--rule); border-radius: 4px; padding: .7rem .9rem; margin: .5rem 0;
      white-space: pre-wrap; overflow-wrap: anywhere }
    .word { display: inline-block; max-width: 100% }

    .tiles { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 10.5rem), 1fr)); margin: 0 }
    .tiles div { background: var(--raised); border-radius: 6px; padding: .7rem .9rem; display: flex; flex-direction: column }
    .tiles dt { color: var(--faint); font-size: .9rem }
    .tiles dd { margin: 0; font-size: 1.3rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums }
    .tiles dd + dd { font-size: .9rem; font-weight: 400; color: var(--faint) }

    .charts { display: grid; gap: 1.8rem 2.2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)) }
    .charts.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)) }
    .small .plot { height: 7rem }
    .small .axis, .small .every-other { display: none }
    .small details { margin-top: 1.6rem }
    figure { margin: 0; min-width: 0 }
    figcaption { display: flex; flex-wrap: wrap; gap: 0 .8rem; align-items: baseline; margin-bottom: .3rem }
    .title { font-weight: 600 }
    .unit, .axis { color: var(--faint); font-size: .875rem }
    .axis { margin: 1.7rem 0 .2rem; text-align: center; max-width: none }
    .legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; list-style: none; margin: 0 0 .5rem; padding: 0;
      font-size: .9rem }
    .legend li { overflow-wrap: anywhere }
    .key { width: 1.75rem; height: .5rem; margin-right: .4rem; vertical-align: middle; overflow: visible }
    .plot { position: relative; height: clamp(11rem, 30vw, 15rem); margin: .6rem 0 0 3.6rem;
      border-left: 1px solid var(--faint); border-bottom: 1px solid var(--faint); touch-action: pan-y }
    .plot > svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible }
    .line, .grid, .dots, .mark { fill: none; vector-effect: non-scaling-stroke }
    .line { stroke: var(--s); stroke-width: 2; stroke-linejoin: round; stroke-dasharray: var(--dash, none) }
    .dots { stroke: var(--s); stroke-width: 6; stroke-linecap: round }
    .band { fill: var(--s); opacity: .2 }
    .grid { stroke: var(--rule); stroke-width: 1 }
    .y { position: absolute; right: 100%; transform: translateY(50%); padding-right: .45rem }
    .x { position: absolute; top: 100%; padding-top: .2rem }
    .y, .x { font-size: .8125rem; line-height: 1.2; color: var(--faint); white-space: nowrap; font-variant-numeric: tabular-nums }
    .cursor { position: absolute; top: 0; bottom: 0; width: 0; border-left: 1px solid var(--ink); pointer-events: none }
    .tip { position: absolute; top: .3rem; background: var(--paper); border: 1px solid var(--faint); border-radius: 4px;
      padding: .35rem .6rem; font-size: .875rem; line-height: 1.4; pointer-events: none; width: max-content; max-width: 100%; z-index: 2;
      box-shadow: 0 2px 8px rgb(0 0 0 / .25); font-variant-numeric: tabular-nums }
    .tip b { display: block }
    .tip span { display: block }
    .tip i { display: inline-block; width: .7em; height: .7em; background: var(--s); margin-right: .45em; border-radius: 2px }

    details { margin: .4rem 0 }
    summary { cursor: pointer; color: var(--link); font-size: .9rem; width: fit-content; padding: .15rem 0 }
    .scroll { overflow: auto; max-width: 100%; position: relative }
    details .scroll { max-height: 24rem }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
    caption { text-align: left; color: var(--faint); font-size: .9rem; padding: 0 0 .4rem }
    th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--rule); vertical-align: baseline }
    thead th { color: var(--faint); font-weight: 500; vertical-align: bottom }
    td, tbody th { white-space: nowrap }
    thead th { max-width: 14rem; overflow-wrap: break-word }
    th:first-child, td.text, th.text { text-align: left }
    tbody th { font-weight: 500 }
    td.text { overflow-wrap: anywhere; white-space: normal }
    td.text code { white-space: pre-wrap }
    tr.changed code { font-weight: 700 }
    tr.sum th, tr.sum td { font-weight: 700; border-top: 2px solid var(--faint) }
    .swatch { display: inline-block; width: .85em; height: .85em; border: 1px solid var(--ink); border-radius: 2px;
      margin-right: .5em; vertical-align: -.06em; background: var(--s) }

    .bars { width: 100% }
    .bars td.bar { width: 55%; min-width: 6rem; padding: .15rem 0; vertical-align: middle }
    .bars svg { display: block; width: 100%; height: 1.05rem; overflow: visible; background: var(--raised) }
    .bars rect.class { stroke: var(--ink); stroke-width: 1; vector-effect: non-scaling-stroke }
    rect.fill { fill: var(--s) }
    .mark { stroke: var(--ink); stroke-width: 3 }
    .halo { stroke: var(--paper); stroke-width: 6 }
    figure + figure { margin-top: 1.8rem }
    .charts figure { margin-top: 0 }
    .stack { display: block; width: 100%; height: 2rem; margin: .4rem 0 .8rem }
    .stack rect { stroke: var(--paper); stroke-width: 2; vector-effect: non-scaling-stroke }

    .confusion input { margin: 0 .35rem 0 0; width: 1.05rem; height: 1.05rem; vertical-align: -.15rem; accent-color: var(--link) }
    .confusion label { margin-right: 1.4rem }
    .confusion .counts { display: none }
    .confusion:has(#confusion-counts:checked) .counts { display: block }
    .confusion:has(#confusion-counts:checked) .shares { display: none }
    .matrix { font-size: .8125rem }
    .matrix th, .matrix td { padding: .2rem .3rem; border: 1px solid var(--rule); white-space: nowrap }
    .matrix td { min-width: 2.7rem; text-align: center }
    .matrix thead th { vertical-align: bottom; text-align: left }
    .matrix thead span { writing-mode: vertical-rl; transform: rotate(180deg) }
    .matrix tbody th { position: sticky; left: 0; background: var(--paper); z-index: 1 }
    .matrix thead td { position: sticky; left: 0; background: var(--paper); border: none; z-index: 1 }
    .right { --c: var(--right) } .wrong { --c: var(--wrong) }
    .h1 { background: rgb(var(--c), .07) } .h2 { background: rgb(var(--c), .14) } .h3 { background: rgb(var(--c), .2) }
    .h4 { background: rgb(var(--c), .26) } .h5 { background: rgb(var(--c), .32) } .h6 { background: rgb(var(--c), .38) }
    .h7, .h8, .h9, .h10 { color: var(--shaded-ink) }
    .h7 { background: rgb(var(--c), .9) } .h8 { background: rgb(var(--c), .93) } .h9 { background: rgb(var(--c), .96) }
    .h10 { background: rgb(var(--c), 1) }
    .reading { min-height: 1.5em; margin: .5rem 0; font-variant-numeric: tabular-nums }

    .gallery { display: grid; gap: 2rem }
    .panels { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)) }
    .panels div { min-width: 0 }
    .panels img { display: block; width: 100%; height: auto; background: var(--raised) }
    .panels img.map { image-rendering: pixelated }
    .panels p { margin: 0 0 .2rem; font-size: .875rem; color: var(--faint) }

    @media (max-width: 40rem) {
      .every-other { display: none }
      .bars td.bar { min-width: 4.5rem; width: 30% }
      .bars th, .bars td { padding-left: .3rem; padding-right: .3rem }
      .options td.text, .options th { padding-left: 0 }
    }
    @media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth } }
    @media print { nav, .skip { display: none } section { break-inside: avoid-page } }

    """
}
