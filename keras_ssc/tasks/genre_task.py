"""What both tasks have in common."""


class GenreTask:
    """A base of `OneGenre` and `SeveralGenres`, which have `name`, `genres`."""

    def described(self):
        """Returns what files say of the task; `tasks.read` reads it."""
        return {"task": self.name, "genres": list(self.genres)}

    def named_genres(self, scores):
        """Returns the genres that scores (genres,) name, a list of strings."""
        return [self.genres[place] for place in self.named(scores)]

    def answered(self, scores):
        """Returns what `measure` says of a film: its verdict and its scores.

        Args:
            scores: Float array (genres,), the film's.
        """
        return {
            "verdict": self.verdict(scores),
            "scores": dict(zip(self.genres, scores.tolist(), strict=True)),
        }
