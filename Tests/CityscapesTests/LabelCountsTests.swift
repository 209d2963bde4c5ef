import Cityscapes
import Testing

@Suite("Label counts") struct LabelCountsTests {
  @Test("The shares of the classes fit in a line, with what is ignored and what is missing")
  func shares() {
    var ids = [UInt8](repeating: 7, count: 5999) + [26]
    ids += [UInt8](repeating: 23, count: 3000) + [UInt8](repeating: 4, count: 1000)
    #expect(
      LabelCounts(labelIds: ids).shares()
        == "60.0 % road, 30.0 % sky, <0.1 % car, 10.0 % ignored; absent: sidewalk, building, wall, fence, pole, traffic light, "
        + "traffic sign, vegetation, terrain, person, rider, truck, bus, train, motorcycle, bicycle")
    #expect(LabelCounts(labelIds: [0, 1]).shares() == "100.0 % ignored")
  }

  @Test("Train ids, empty labels and a few classes are no label ids of street scenes")
  func suspicion() {
    #expect(LabelCounts(labelIds: Array(0...18)).suspicion() == "no label id above 18, as if they were train ids")
    #expect(LabelCounts(labelIds: [0, 4]).suspicion() == "no pixel of any class")
    #expect(LabelCounts(labelIds: [29, 30]).suspicion() == "0 of 19 classes")
    #expect(LabelCounts(labelIds: [7, 11, 21, 23]).suspicion() == "4 of 19 classes")
    #expect(LabelCounts(labelIds: [7, 11, 21, 23, 26]).suspicion() == nil)
  }
}
