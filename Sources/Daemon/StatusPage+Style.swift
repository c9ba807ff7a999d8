extension StatusPage {
    /// Text on every ground has a contrast of at least 4.5 to 1, shapes of at least 3 to 1 (WCAG 2.2, AA).
    static let style = """
        :root{--ground:#fff;--panel:#f5f6f7;--text:#1b1f24;--quiet:#4d5662;--line:#c4cad2;--well:#12723a;--warn:#8a5200;--bad:#b3161b;\
        --link:#0b57b0;--on:#fff}
        @media(prefers-color-scheme:dark){:root{--ground:#14171a;--panel:#1f2429;--text:#e8eaed;--quiet:#aab3bd;--line:#4a535d;\
        --well:#5bd38b;--warn:#f0b450;--bad:#ff8a84;--link:#8ab8ff;--on:#14171a}}
        *{box-sizing:border-box}
        body{margin:0 auto;max-width:70rem;padding:1rem;background:var(--ground);color:var(--text);\
        font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
        h1{font-size:1.5rem;margin:0}h2{font-size:1.2rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0 0 .25rem}
        p{margin:.25rem 0}a{color:var(--link)}
        .small{font-size:.875rem;color:var(--quiet)}.code{font-family:ui-monospace,monospace}
        .verdict{font-size:1.25rem;margin:.75rem 0;padding:.75rem 1rem;border-radius:.5rem;color:var(--on)}
        .verdict.well{background:var(--well)}.verdict.warn{background:var(--warn)}.verdict.bad{background:var(--bad)}
        .cards{list-style:none;margin:0;padding:0;display:grid;gap:.75rem;\
        grid-template-columns:repeat(auto-fill,minmax(min(100%,18rem),1fr))}
        .card{background:var(--panel);border:1px solid var(--line);border-left-width:.375rem;border-radius:.5rem;padding:.75rem 1rem}
        .card.well{border-left-color:var(--well)}.card.warn{border-left-color:var(--warn)}.card.bad{border-left-color:var(--bad)}
        .card ul{margin:.25rem 0;padding-left:1.25rem}
        .bar{height:.75rem;border:1px solid var(--quiet);border-radius:.375rem;overflow:hidden;margin:.25rem 0}
        .bar span{display:block;height:100%}.fill100{width:100%}.fill50{width:50%}.fill0{width:0}
        .bar.well span{background:var(--well)}.bar.warn span{background:var(--warn)}.bar.bad span{background:var(--bad)}
        .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
        th,td{text-align:left;vertical-align:top;padding:.375rem .75rem .375rem 0;border-bottom:1px solid var(--line);min-width:6rem}
        thead th{color:var(--quiet)}tbody th{font-weight:600}
        @media(max-width:40rem){table,tbody,tr,tbody th,td{display:block;min-width:0}\
        thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}\
        tr{background:var(--panel);border:1px solid var(--line);border-radius:.5rem;padding:.5rem 1rem;margin:0 0 .75rem}\
        tbody th,td{border:0;padding:.125rem 0}td::before{content:attr(data-label) ": ";color:var(--quiet)}}
        .tag{font-weight:600}.tag.well{color:var(--well)}.tag.warn{color:var(--warn)}.tag.bad{color:var(--bad)}
        figure{margin:1rem 0}figcaption{font-weight:600}
        svg{width:100%;height:7rem;display:block;margin:.25rem 0 0;border-bottom:1px solid var(--quiet)}
        .ticks{display:grid;grid-template-columns:repeat(7,1fr);font-size:.75rem;color:var(--quiet);white-space:nowrap}
        rect.well{fill:var(--well)}rect.bad{fill:var(--bad)}rect.line{fill:var(--link)}
        dl{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.25rem 1rem;margin:0}dt{color:var(--quiet)}dd{margin:0}
        """
}
