import System

/// A section of a page, with its entry in the navigation.
struct Section {
  /// A word of letters and dashes.
  let id: String
  let title: String
  let content: [HTML]

  init(_ id: String, _ title: String, @HTMLBuilder _ content: () -> [HTML]) {
    (self.id, self.title, self.content) = (id, title, content())
  }
}

/// A self-contained HTML document: style, script and images are part of it, and its policy forbids the browser to load
/// anything else.
struct Page {
  let title: String
  /// Below the title.
  let subtitle: String
  let sections: [Section]

  private static let policy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    + "form-action 'none'"

  var text: String {
    let document = HTML.tag("html", ["lang": "en"]) {
      HTML.tag("head") {
        HTML.tag("meta", ["charset": "utf-8"])
        HTML.tag("meta", ["http-equiv": "Content-Security-Policy", "content": Self.policy])
        HTML.tag("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        HTML.tag("meta", ["name": "color-scheme", "content": "light dark"])
        HTML.tag("title") { title }
        HTML.tag("style") { HTML.verbatim(PageStyle.css) }
      }
      HTML.tag("body") {
        HTML.tag("a", ["class": "skip", "href": "#content"]) { "Skip to the content" }
        HTML.tag("header") {
          HTML.tag("h1") { title }
          HTML.tag("p") { subtitle }
        }
        HTML.tag("nav", ["aria-label": "Sections"]) {
          HTML.tag("ul") {
            for section in sections {
              HTML.tag("li") { HTML.tag("a", ["href": "#\(section.id)"]) { section.title } }
            }
          }
        }
        HTML.tag("main", ["id": "content", "tabindex": "-1"]) {
          for section in sections {
            HTML.tag("section", ["id": section.id, "aria-labelledby": "\(section.id)-title"]) {
              HTML.tag("h2", ["id": "\(section.id)-title"]) { section.title }
              section.content
            }
          }
        }
        HTML.tag("footer") {
          HTML.tag("p") { "Written by gscnn \(Program.version). Reading it needs no network." }
        }
        HTML.tag("script") { HTML.verbatim(PageScript.javaScript) }
      }
    }
    return "<!DOCTYPE html>\n" + document.rendered + "\n"
  }
}

extension HTML {
  /// The sentence in place of figures that are not there.
  static func missing(_ sentence: String) -> HTML { .tag("p", ["class": "missing"]) { sentence } }
}
