import System
import Testing

@Suite("JSON values")
struct JSONValueTests {
  @Test("The text is that of Python's json.dumps with indent 4, sorted keys and no ASCII escapes")
  func python() {
    let value = JSONValue.object([
      "b": .list([.integer(1), .number(1), .number(0.1 + 0.2), .number(1e-5), .number(.nan), .number(-.infinity)]),
      "a \"b\"/": .object([:]), "B": .list([]), "é": .optional(nil), "_": .text("line\nend"),
    ])
    #expect(
      value.text == """
        {
            "B": [],
            "_": "line\\nend",
            "a \\"b\\"/": {},
            "b": [
                1,
                1.0,
                0.30000000000000004,
                1e-05,
                NaN,
                -Infinity
            ],
            "é": null
        }
        """)
  }
}
