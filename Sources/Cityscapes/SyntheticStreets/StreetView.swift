/// A pinhole camera over a straight street: where a point of the street shows on the canvas.
///
/// Metres: `x` to the right of the camera, `y` up from the ground, `z` ahead of the camera.
struct StreetView {
  /// Metres from the ground to the camera.
  let eye: Float = 1.5
  /// Pixels of a meter that is one meter away.
  let focal: Float
  /// The column that the street runs to, and the row of the horizon.
  let center: Float
  let horizon: Float
  /// What the air fades everything to.
  let haze: Paint

  /// Where something standing at a distance is painted.
  struct Stand {
    let left: Float
    let ground: Float
    /// Pixels of a meter.
    let scale: Float
    let distance: Float
  }

  func stand(x: Float, z: Float) -> Stand {
    Stand(left: center + focal * x / z, ground: horizon + focal * eye / z, scale: focal / z, distance: z)
  }

  /// A color seen through `distance` meters of air.
  func hazed(_ paint: Paint, _ distance: Float) -> Paint {
    let share = distance / (distance + 160)
    return paint * (1 - share) + haze * share
  }
}
