"""Mail: jobs, the queue, composing and sending."""
