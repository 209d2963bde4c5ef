import Tensors

/// The background: sky, ground, and the rows of houses, trees, walls and fences on both sides.
struct StreetBackdrop {
  /// A stretch of one side of the street.
  private struct Lot {
    enum Kind { case house, trees, wall, fence }
    var kind: Kind
    /// Meters ahead of the camera.
    var begin: Float
    var end: Float
    var height: Float
    var paint: Paint
  }

  /// Meters from the middle of the street to its edge, to the far edge of the sidewalk, and to the houses.
  let roadEdge: Float
  let walkEdge: Float
  let front: Float
  private let view: StreetView
  private let sides: [[Lot]]
  private let texture: Texture
  private let roadPaint: Paint
  private let walkPaint: Paint
  private let skyPaint: Paint
  private static let depth: Float = 110

  init(_ view: StreetView, _ random: inout RandomNumbers) {
    self.view = view
    texture = Texture(key: UInt32(truncatingIfNeeded: random.next()))
    roadEdge = 3.6 + 1.6 * random.uniform()
    walkEdge = roadEdge + 2 + 1.2 * random.uniform()
    front = walkEdge + 1 + 2.5 * random.uniform()
    let gray = 82 + 24 * random.uniform()
    roadPaint = Paint(gray, gray, gray + 5)
    walkPaint = Paint(164, 148, 146) + 18 * random.uniform()
    skyPaint = Paint(112, 160, 216) + 24 * random.uniform()
    // A wall on one side and a fence on the other, near enough to be visible.
    let walledSide = random.uniform(below: 2)
    sides = (0..<2).map { side in Self.lots(special: side == walledSide ? .wall : .fence, &random) }
  }

  private static func lots(special: Lot.Kind, _ random: inout RandomNumbers) -> [Lot] {
    let housePaints = [
      Paint(168, 98, 76), Paint(196, 168, 122), Paint(150, 120, 104), Paint(206, 190, 164), Paint(140, 84, 72),
      Paint(178, 150, 138),
    ]
    var lots: [Lot] = []
    var z: Float = 0
    var specialStands = false
    while z < depth {
      let length = 9 + 9 * random.uniform()
      var kind: Lot.Kind = random.uniform(below: 10) < 7 ? .house : .trees
      if !specialStands, z > 8 {
        kind = special
        specialStands = true
      }
      let tone = random.uniform()
      switch kind {
      case .house:
        let paint = housePaints[random.uniform(below: housePaints.count)] * (0.88 + 0.2 * tone)
        lots.append(Lot(kind: kind, begin: z, end: z + length, height: 5 + 8 * random.uniform(), paint: paint))
      case .trees:
        lots.append(
          Lot(kind: kind, begin: z, end: z + length, height: 4 + 3 * random.uniform(), paint: Paint(62, 98, 44)))
      case .wall:
        let paint = Paint(136, 134, 158) * (0.9 + 0.2 * tone)
        lots.append(Lot(kind: kind, begin: z, end: z + length, height: 2.2 + 0.8 * random.uniform(), paint: paint))
      case .fence:
        let paint = Paint(190, 142, 120) * (0.9 + 0.2 * tone)
        lots.append(Lot(kind: kind, begin: z, end: z + length, height: 1.5 + 0.6 * random.uniform(), paint: paint))
      }
      z += length
    }
    return lots
  }

  func paint(on canvas: inout StreetCanvas) {
    for row in 0..<canvas.size.height {
      for column in 0..<canvas.size.width {
        let (paint, id) = surface(Float(column) + 0.5, Float(row) + 0.5)
        canvas.set(column, row, paint, id)
      }
    }
  }

  /// Color and label id at a point of the canvas.
  private func surface(_ column: Float, _ row: Float) -> (Paint, UInt8) {
    let aside = column - view.center
    let below = row - view.horizon
    let distance = view.focal * front / max(abs(aside), 0.01)
    if distance < Self.depth,
      let hit = facade(left: aside < 0, distance, height: view.eye - below * distance / view.focal)
    {
      return hit
    }
    if below > 0 { return ground(distance: view.focal * view.eye / below, aside: aside) }
    // Trees at the end of the street.
    let treeTop = view.focal * (2.5 + 5 * texture.cloudy(column / view.focal * 40, 7)) / Self.depth
    return -below < treeTop ? (leaves(column * 0.2, row * 0.2, Self.depth, Paint(66, 100, 54)), 21) : sky(column, row)
  }

  private func sky(_ column: Float, _ row: Float) -> (Paint, UInt8) {
    let up = 1 - row / max(view.horizon, 1)
    let scale = 7 / view.focal
    let cloud = max(texture.cloudy(column * scale, row * scale * 2.4 + 90) - 0.46, 0) * 2.6
    let blue = skyPaint * (0.55 + 0.45 * up) + Paint(214, 226, 238) * (0.45 - 0.45 * up)
    return (blue * (1 - min(cloud, 1)) + Paint(244, 245, 248) * min(cloud, 1), 23)
  }

  private func ground(distance: Float, aside: Float) -> (Paint, UInt8) {
    let x = aside * distance / view.focal
    let grain = texture.cloudy(x * 3, distance * 3) * 26 - 13
    let side = abs(x)
    if side < roadEdge {
      let dashed = side < 0.08 && (distance / 3).truncatingRemainder(dividingBy: 2) < 1.1
      let lined = abs(side - roadEdge + 0.35) < 0.07
      let worn = texture.smooth(x * 1.3, distance * 0.15) * 12
      return (view.hazed(dashed || lined ? Paint(206, 206, 200) : roadPaint + grain * 0.7 - worn, distance), 7)
    }
    if side < walkEdge {
      let curb = side < roadEdge + 0.18
      let joint = distance.truncatingRemainder(dividingBy: 1.2) < 0.07 && distance < 22
      return (view.hazed((walkPaint + grain) * (curb ? 1.12 : joint ? 0.86 : 1), distance), 8)
    }
    let dry = texture.cloudy(x * 0.9 + 50, distance * 0.6) * 46
    return (view.hazed(Paint(128 + dry, 158 + dry * 0.3, 74) + grain * 1.6, distance), 22)
  }

  /// Color and label id of what stands along the street at `distance`; nil if it is lower than `height`.
  private func facade(left: Bool, _ distance: Float, height: Float) -> (Paint, UInt8)? {
    guard height >= 0, let lot = sides[left ? 0 : 1].first(where: { distance < $0.end }) else { return nil }
    let along = distance - lot.begin
    let light: Float = left ? 0.84 : 1.04
    let grain = texture.cloudy(distance * 2.5, height * 2.5) * 20 - 10
    switch lot.kind {
    case .trees:
      let top = lot.height + 2.6 * (texture.cloudy(distance * 0.9, left ? 3 : 60) - 0.5)
      return height < top ? (leaves(distance * 1.7, height * 1.7, distance, lot.paint), 21) : nil
    case .wall, .fence:
      if height < lot.height {
        let pattern: Float
        if lot.kind == .wall {
          let course = Int(height / 0.45)
          let brick = (along + (course % 2 == 0 ? 0 : 0.45)).truncatingRemainder(dividingBy: 0.9)
          pattern = brick < 0.06 || height.truncatingRemainder(dividingBy: 0.45) < 0.05 ? 0.78 : 1
        } else {
          pattern = along.truncatingRemainder(dividingBy: 0.3) < 0.09 ? 0.6 : 1
        }
        return (view.hazed((lot.paint * pattern + grain) * light, distance), lot.kind == .wall ? 12 : 13)
      }
      // Bushes behind the wall or fence.
      let top = lot.height + 3.4 * texture.cloudy(distance * 0.7, 20) - 0.4
      return height < top ? (leaves(distance * 1.9, height * 1.9, distance, Paint(70, 108, 50)), 21) : nil
    case .house:
      return height < lot.height ? (house(lot, along, height, distance, grain), 11) : nil
    }
  }

  private func house(_ lot: Lot, _ along: Float, _ height: Float, _ distance: Float, _ grain: Float) -> Paint {
    let light: Float = 1 - 0.12 * (height / lot.height)
    if height > lot.height - 0.35 { return view.hazed(lot.paint * 0.62, distance) }
    let bay = (along / 2.3).truncatingRemainder(dividingBy: 1)
    let floor = (height / 2.9).truncatingRemainder(dividingBy: 1)
    let isGlass =
      height < 2.9
      ? bay > 0.12 && bay < 0.88 && floor > 0.12 && floor < 0.74
      : bay > 0.27 && bay < 0.73 && floor > 0.28 && floor < 0.76 && height < lot.height - 0.7
    let isFrame = !isGlass && bay > 0.21 && bay < 0.79 && floor > 0.22 && floor < 0.82 && height > 2.9
    let pane = texture.speck(Int(along / 2.3), Int(height / 2.9) + 40)
    let glass = Paint(52, 62, 78) + pane * 54
    // Far away, windows are too small to be visible.
    let visibility = min(max((70 - distance) / 45, 0), 1)
    let wall = (lot.paint + grain) * light
    let paint = isGlass ? glass : isFrame ? lot.paint * 1.16 : wall
    return view.hazed(paint * visibility + wall * (1 - visibility), distance)
  }

  private func leaves(_ x: Float, _ y: Float, _ distance: Float, _ paint: Paint) -> Paint {
    let shade = 0.55 + 0.95 * texture.cloudy(x * 1.6, y * 1.6)
    let flecks = texture.smooth(x * 9, y * 9) * 22 - 11
    return view.hazed(paint * shade + flecks, distance)
  }
}
