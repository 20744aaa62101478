//! `linregions plot`.

use std::path::Path;

use super::trace::known_network;
use super::{Directory, read, refuse, run, stderr, succeed};

/// Summaries of three depths of each of two widths, and the draws of the last.
fn results(directory: &Directory) -> (Vec<String>, String) {
    let mut files = Vec::new();
    let draws = directory.text("draws.csv");
    for width in [4, 8] {
        for depth in 1..=3 {
            let file = directory.text(&format!("{width}x{depth}.csv"));
            let arch = format!("2-{width}x{depth}");
            let flags = ["--networks", "60", "--paths-per-network", "2", "--engine", "cpu", "--draws", &draws];
            succeed(&[&["estimate", "--arch", &arch, "--csv", &file], &flags[..]].concat());
            files.push(file);
        }
    }
    (files, draws)
}

/// Draws a figure, which must name it on stdout, and returns its SVG.
fn svg(directory: &Directory, args: &[&str]) -> String {
    let out = directory.text("figure.svg");
    assert_eq!(succeed(&[&["plot", "--out", &out], args].concat()).trim_end(), out);
    let svg = read(out.as_ref());
    well_formed(&svg);
    svg
}

/// Every tag is closed in its order, quoted, and every ampersand begins an entity.
fn well_formed(xml: &str) {
    let mut open = Vec::new();
    for part in xml.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a closed tag");
        assert!(!text.contains('>') && tag.matches('"').count() % 2 == 0, "{part}");
        let entity = |rest: &str| ["amp;", "lt;", "gt;", "quot;", "apos;"].iter().any(|name| rest.starts_with(name));
        assert!(part.split('&').skip(1).all(entity), "{part}");
        let name = tag.trim_start_matches('/').split_whitespace().next().expect("a name").trim_end_matches('/');
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && xml.starts_with("<svg"), "{open:?}");
}

fn texts(svg: &str) -> Vec<&str> {
    let texts = svg.split("<text").skip(1).filter_map(|part| part.split_once('>')?.1.split_once("</text>"));
    texts.map(|(text, _)| text.trim()).collect()
}

fn has(svg: &str, expected: &[&str]) {
    let texts = texts(svg);
    assert!(expected.iter().all(|text| texts.contains(text)), "{expected:?} in {texts:?}");
}

/// Markers, those of the legend included.
fn n_markers(svg: &str) -> usize {
    svg.matches("<circle").count() + svg.matches("<polygon").count()
}

/// Error bars have a stem and two caps.
fn n_bars(svg: &str) -> usize {
    svg.matches("<line").count() / 3
}

/// Convolutions against dense layers, by what they have to learn.
#[test]
fn parameters_are_an_axis() {
    let directory = Directory::new();
    let mut files = Vec::new();
    for arch in ["9-2x2", "9-9x2", "1x3x3-c2k2-c2k1", "1x3x3-c3k2-c4k1"] {
        let file = directory.text(&format!("{arch}.csv"));
        succeed(&["estimate", "--arch", arch, "--csv", &file, "--networks", "60", "--engine", "cpu"]);
        files.push(file);
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let figure = svg(&directory, &[&["--x", "parameters"], &files[..]].concat());
    has(&figure, &["weights and biases of the hidden layers", "convolutional", "dense"]);
    let broken = directory.file("broken.csv", read(files[0].as_ref()).replace("9-2x2", "9-x2"));
    refuse(&["plot", &broken, "--x", "parameters"], &["broken.csv:3: column architecture", "'x2'"]);
}

#[test]
fn densities_are_plotted_against_what_varies() {
    let directory = Directory::new();
    let (files, _) = results(&directory);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let figure = svg(&directory, &files);
    has(&figure, &["boundaries per unit length", "depth (hidden layers)", "width 4", "width 8"]);
    has(&figure, &["upper bound", "infinite width", "1", "2", "3"]);
    assert_eq!((n_markers(&figure), n_bars(&figure)), (6 + 2, 6));
    let bare = [&files[..], &["--x", "width", "--quantity", "knots", "--no-bound", "--no-infinite-width", "--log-x"]];
    let bare = svg(&directory, &bare.concat());
    has(&bare, &["knots per unit length", "width (units per layer)", "depth 1", "depth 2", "depth 3"]);
    assert!(!texts(&bare).contains(&"upper bound") && !texts(&bare).contains(&"infinite width"));
    assert_eq!((n_markers(&bare), n_bars(&bare)), (6 + 3, 6));
    let by = svg(&directory, &[&files[..], &["--x", "units", "--by", "input_dim,activation"]].concat());
    has(&by, &["hidden units", "inputs 2, relu"]);
    let law = svg(&directory, &[&files[..1], &["--x", "bias"]].concat());
    has(&law, &["parameter of the bias law", "0.10", "estimate"]);
}

#[test]
fn layers_histograms_and_errors_have_their_axes() {
    let directory = Directory::new();
    let (files, draws) = results(&directory);
    let layers = svg(&directory, &[&files[2], &files[5], "--kind", "layers"]);
    has(&layers, &["layer", "crossings per unit length", "2-4x3", "2-8x3"]);
    assert_eq!((n_markers(&layers), n_bars(&layers)), (6 + 2, 6));
    let histogram = svg(&directory, &[&draws, "--quantity", "crossings"]);
    has(&histogram, &["networks", "crossings per unit length", "60 networks"]);
    assert!(texts(&histogram).iter().any(|text| text.starts_with("mean ")), "{histogram}");
    let precision = svg(&directory, &[&files[0], &files[1], "--kind", "precision"]);
    has(&precision, &["wall time (s)", "relative error of boundaries (%)", "exact"]);
    assert_eq!((n_markers(&precision), n_bars(&precision)), (2 + 1, 0));
}

#[test]
fn boundaries_along_a_path_are_ticks() {
    let directory = Directory::new();
    let [network, _] = known_network(&directory);
    let paths = directory.file("paths.csv", "path,x0\nleft,-4\nleft,4\nhalf,0\nhalf,4\n");
    let trace = succeed(&["trace", "--network", &network, "--paths", &paths]);
    let trace = directory.file("trace.csv", trace);
    let left = svg(&directory, &[&trace]);
    has(&left, &["position along the path", "layer", "knot: the output bends"]);
    // Two crossings at each of two places.
    assert_eq!(left.matches("<line").count(), 2);
    assert_eq!(svg(&directory, &[&trace, "--path-name", "half"]).matches("<line").count(), 1);
    refuse(&["plot", &trace, "--path-name", "right"], &["trace.csv", "right", "--path-name"]);
    refuse(&["plot", &trace, "--quantity", "knots"], &["--quantity", "rug"]);
}

#[test]
fn outputs_are_drawn_above_their_boundaries() {
    let directory = Directory::new();
    let [network, _] = known_network(&directory);
    let paths = directory.file("paths.csv", "path,x0\nleft,-4\nleft,4\nhalf,0\nhalf,4\n");
    let curve = directory.text("curve.csv");
    let trace = succeed(&["trace", "--network", &network, "--paths", &paths, "--curve", &curve]);
    // |x - 1| - max(x + 1, 0); a path through the origin has a vertex there.
    let expected = "path,t,position,output_0\nleft,0,0,5\nleft,0.375,3,2\nleft,0.5,4,0\nleft,0.625,5,-2\nleft,1,8,-2\n\
                    half,0,0,0\nhalf,0.25,1,-2\nhalf,1,4,-2\n";
    assert_eq!(read(Path::new(&curve)), expected);
    let trace = directory.file("trace.csv", trace);
    let figure = svg(&directory, &[&trace, "--curve", &curve]);
    has(&figure, &["layer, and output above", "output 0", "−2"]);
    // The curve and its sample in the legend.
    let in_blue = |figure: &str| figure.matches("stroke=\"#0072B2\"").count();
    assert_eq!((in_blue(&figure), in_blue(&svg(&directory, &[&trace]))), (2, 0));
    refuse(&["plot", &trace, "--curve", &curve, "--outputs", "1"], &["curve.csv:1", "no column output_1"]);
    refuse(&["plot", &trace, "--outputs", "0"], &["--curve"]);
    refuse(&["plot", &trace, "--curve", &trace], &["trace.csv", "no outputs along the path"]);
    refuse(&["trace", "--network", &network, "--curve", &directory.text("no/where.csv")], &["cannot write there"]);
    for input in [&network, &paths] {
        let before = std::fs::read(input).expect("readable");
        refuse(&["trace", "--network", &network, "--paths", &paths, "--curve", input], &["is an input"]);
        assert_eq!(before, std::fs::read(input).expect("readable"));
    }
}

#[test]
fn files_go_where_they_are_asked_for() {
    let directory = Directory::new();
    let (files, draws) = results(&directory);
    let figure = directory.text("figure.png");
    succeed(&["plot", &files[0], "--out", &figure]);
    let png = std::fs::read(&figure).expect("written");
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes([png[at], png[at + 1], png[at + 2], png[at + 3]]);
    assert_eq!(number(16), 1080);
    assert!((840..1000).contains(&number(20)), "{}", number(20));
    for (args, name) in [
        (&[files[0].as_str()][..], "4x1-density.svg"),
        (&[files[0].as_str(), "--kind", "layers"], "4x1-layers.svg"),
        (&[draws.as_str()], "draws-histogram.svg"),
    ] {
        let printed = succeed(&[&["plot"], args].concat());
        assert_eq!(printed.trim_end(), directory.text(name));
        well_formed(&read(&directory.path(name)));
    }
    // The same figure again, bit for bit.
    let first = svg(&directory, &[&files[0]]);
    assert_eq!(first, svg(&directory, &[&files[0]]));
}

const HEADER: &str =
    "architecture,depth,bias,path,length,quantity,layer,mean_density,std_error,ci_low,ci_high,wall_seconds\n";

#[test]
fn what_cannot_be_drawn_is_refused_and_nothing_is_written() {
    let directory = Directory::new();
    let good = "2-4x2,2,torch,segment,2,boundaries,all,5,1,3,7,0.1\n";
    let summary = |name: &str, rows: &str| directory.file(name, HEADER.to_owned() + rows);
    let fine = summary("fine.csv", good);
    let zero = summary("zero.csv", &good.replace(",5,1,3,7,", ",0,0,0,0,"));
    let text = summary("text.csv", &(good.to_owned() + &good.replace(",5,", ",five,")));
    let infinite = summary("infinite.csv", &good.replace(",5,", ",inf,"));
    let short = summary("short.csv", "\n2-4x2,2\n");
    let empty = summary("empty.csv", &good.replace(",5,1,3,7,0.1", ",,,,,"));
    let no_rows = summary("no-rows.csv", "");
    let nothing = directory.file("nothing.csv", "");
    let other = directory.file("other.csv", "a,b\n1,2\n");
    let binary = directory.file("binary.csv", [0xff, 0xfe, 0x00]);
    let columns = directory.file("columns.csv", "mean_density,layer\n1,all\n");
    let draws = directory.file("draws.csv", "network,path_ix,length,boundaries\n0,0,0,3\n");
    let trace = directory.file("trace.csv", "path,position,layer,is_knot\na,1,0,true\n");
    let result = directory.file("result.svg", HEADER.to_owned() + good);
    let before = std::fs::read_dir(directory.0.path()).expect("readable").count();
    let missing = directory.text("missing.csv");
    let figure = directory.text("figure.png");
    let unwritable = directory.text("no/such/figure.svg");
    let cases: &[(&[&str], &[&str])] = &[
        (&[&fine, "--x", "colour"], &["fine.csv:1", "no column colour", "depth"]),
        (&[&fine, "--by", "colour"], &["fine.csv:1", "no column colour"]),
        (&[&fine, "--x", "bias"], &["fine.csv:2", "column bias", "torch", "--x"]),
        (&[&fine, "--quantity", "knots"], &["fine.csv", "no rows", "knots", "--quantity"]),
        (&[&fine, "--kind", "layers"], &["fine.csv", "no rows", "crossings"]),
        (&[&zero, "--log-y"], &["boundaries per unit length", "logarithmic"]),
        (&[&zero, "--kind", "precision"], &["zero.csv:2", "mean_density", "positive"]),
        (&[&text], &["text.csv:3", "column mean_density", "five"]),
        (&[&infinite], &["infinite.csv:2", "column mean_density", "inf"]),
        (&[&short], &["short.csv:3", "2 fields", "12 columns"]),
        (&[&empty], &["empty.csv", "mean_density", "every row"]),
        (&[&no_rows], &["no-rows.csv", "no rows"]),
        (&[&nothing], &["nothing.csv", "empty"]),
        (&[&other], &["other.csv:1", "mean_density", "estimate --csv"]),
        (&[&binary], &["binary.csv", "UTF-8"]),
        (&[&columns], &["columns.csv:1", "no column quantity"]),
        (&[&draws], &["draws.csv:2", "column length", "positive"]),
        (&[&draws, "--quantity", "knots"], &["draws.csv:1", "no column knots"]),
        (&[&trace], &["trace.csv:2", "column layer", "1 to"]),
        (&[&trace, &trace], &["one file"]),
        (&[&fine, "--path-name", "a"], &["--path-name", "rug"]),
        (&[&fine, "--kind", "rug"], &["fine.csv:1", "no column position"]),
        (&[&missing], &["missing.csv"]),
        (&[&fine, "--out", "figure.pdf"], &["figure.pdf", ".svg or .png"]),
        (&[&fine, "--out", &unwritable], &["no/such/figure.svg", "cannot write"]),
        (&[&result, "--out", &result], &["result.svg", "another name"]),
        (&["/dev/null"], &["/dev/null"]),
        (&[&fine, "--log-y", "--linear-y"], &["--linear-y"]),
        (&[], &["RESULT"]),
    ];
    for (args, message) in cases {
        let with_out = [&["plot"], *args, &["--out", &figure]].concat();
        let args = [&["plot"], *args].concat();
        refuse(&args, message);
        if !args.contains(&"--out") {
            refuse(&with_out, message);
        }
    }
    assert_eq!(std::fs::read_dir(directory.0.path()).expect("readable").count(), before, "nothing is written");
    // An earlier figure stays.
    directory.file("figure.png", "earlier");
    refuse(&["plot", &text, "--out", &figure], &["text.csv"]);
    assert_eq!(read(Path::new(&figure)), "earlier");
}

/// Hostile and broken files: an error or a figure, never a crash.
#[test]
fn broken_files_do_no_harm() {
    let directory = Directory::new();
    let row = |fields: &str| HEADER.to_owned() + fields + "\n";
    let markup = row("\"<script>&\"\"\",2,\"]]>\",segment,2,boundaries,all,5,1,3,7,0.1");
    let markup = directory.file("markup.csv", markup + "b,2,\"'<g>\",segment,2,boundaries,all,5,1,3,7,0.1\n");
    let figure = svg(&directory, &[&markup, "--by", "architecture,bias"]);
    assert!(!figure.contains("<script") && figure.contains("&lt;script&gt;"), "{figure}");
    let long = row(&format!("{0},2,{0},segment,2,boundaries,all,5,1,3,7,0.1", "é".repeat(300_000)));
    svg(&directory, &[&directory.file("long.csv", long), "--by", "architecture,bias"]);
    let extreme = row("a,1e100,b,segment,2,boundaries,all,1e100,1,-1e100,1e100,1e-100");
    svg(&directory, &[&directory.file("extreme.csv", extreme + "a,-1e100,b,segment,2,boundaries,all,1e-90,1,,,\n")]);
    let (files, draws) = results(&directory);
    for file in [&files[0], &draws] {
        let bytes = std::fs::read(file).expect("readable");
        for case in 0..40 {
            let mut broken = bytes[..if case < 10 { bytes.len() * case / 10 } else { bytes.len() }].to_vec();
            if case >= 10 {
                let at = (case * 7919) % broken.len();
                broken[at] ^= 1 << (case % 8);
            }
            let output = run(&["plot", &directory.file("broken.csv", broken), "--out", &directory.text("broken.svg")]);
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 2)), "case {case}: {}", stderr(&output));
        }
    }
}
