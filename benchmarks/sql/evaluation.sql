-- go_back
UPDATE job SET watermark_at = %(watermark)s, next_due_at = %(now)s;
