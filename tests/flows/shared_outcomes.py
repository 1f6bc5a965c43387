"""What becomes of every shared media file: type, kind, and how each derivative ends (with the error code).
What is refused on its way in has no type: "refused" and the code of the refusal.

Worked out by hand against the manifest's answers; a change here is a change of what people get.
"""

OUTCOMES: dict[str, tuple[str, str, str]] = {
    "audio/alac.m4a": ("audio/mp4", "audio", "loudness=ready metadata=ready proxy=ready waveform=ready"),
    "audio/bear_id3_cover.mp3": (
        "audio/mpeg",
        "audio",
        "loudness=ready metadata=ready poster=ready proxy=not_needed waveform=ready",
    ),
    "audio/bear_vbr.mp3": (
        "audio/mpeg",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/bear_with_picture.flac": (
        "audio/flac",
        "audio",
        "loudness=ready metadata=ready poster=ready proxy=not_needed waveform=ready",
    ),
    "audio/dog_bark_1.ogg": (
        "audio/ogg",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/dog_bark_2.ogg": (
        "audio/ogg",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/dog_bark_3.ogg": (
        "audio/ogg",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/guitar.ogg": (
        "audio/ogg",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/jfk.flac": (
        "audio/flac",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/jfk.m4a": ("audio/mp4", "audio", "loudness=ready metadata=ready proxy=not_needed waveform=ready"),
    "audio/jfk.mp3": ("audio/mpeg", "audio", "loudness=ready metadata=ready proxy=not_needed waveform=ready"),
    "audio/jfk.ogg": ("audio/ogg", "audio", "loudness=ready metadata=ready proxy=not_needed waveform=ready"),
    "audio/jfk.opus": ("audio/ogg", "audio", "loudness=ready metadata=ready proxy=not_needed waveform=ready"),
    "audio/jfk.wav": ("audio/wav", "audio", "loudness=ready metadata=ready proxy=not_needed waveform=ready"),
    "audio/jfk_48k_stereo_24bit.wav": (
        "audio/wav",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/jfk_8k_ulaw.wav": (
        "audio/wav",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/jfk_cover.mp3": (
        "audio/mpeg",
        "audio",
        "loudness=ready metadata=ready poster=ready proxy=not_needed waveform=ready",
    ),
    "audio/librispeech_198-209-0000.ogg": (
        "audio/ogg",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/librispeech_3436-172162-0000.ogg": (
        "audio/ogg",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/pink_noise.flac": (
        "audio/flac",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/silence_5s.wav": (
        "audio/wav",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/sine_440.wav": (
        "audio/wav",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/speech_dog_guitar_22s.flac": (
        "audio/flac",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/truncated.mp3": (
        "audio/mpeg",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "audio/wav_header_lies.wav": (
        "audio/wav",
        "audio",
        "loudness=ready metadata=ready proxy=ready waveform=ready",
    ),
    "color/16bit_small.png": ("image/png", "image", "metadata=ready preview=ready"),
    "color/cmyk_icc_jockey.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "color/cmyk_noicc.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "color/colors_hdr_p3.avif": ("image/avif", "image", "metadata=ready preview=ready"),
    "color/gray.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "color/gray16_gradient.png": ("image/png", "image", "metadata=ready preview=ready"),
    "color/iphone_display_p3.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "color/iphonexs_display_p3.avif": ("image/avif", "image", "metadata=ready preview=ready"),
    "color/lab.tif": ("image/tiff", "image", "metadata=ready preview=ready"),
    "color/onebit.png": ("image/png", "image", "metadata=ready preview=ready"),
    "color/p3_gainmap.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "color/p3_patches.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "color/p3_patches.png": ("image/png", "image", "metadata=ready preview=ready"),
    "color/palette.png": ("image/png", "image", "metadata=ready preview=ready"),
    "color/rgba_gradient.png": ("image/png", "image", "metadata=ready preview=ready"),
    "color/weld_16bit.png": ("image/png", "image", "metadata=ready preview=ready"),
    "corrupt/16384x16384.png": ("image/png", "image", "metadata=ready preview=failed:too_many_pixels"),
    "corrupt/17000x17000.avif": ("image/avif", "image", "metadata=ready preview=failed:too_many_pixels"),
    "corrupt/940x2.png": ("image/png", "image", "metadata=ready preview=ready"),
    "corrupt/9643x10328.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/BlueSquare_truncated.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/avif_cut.avif": ("image/avif", "image", "metadata=ready preview=failed:damaged_file"),
    "corrupt/big-height.webp": ("image/webp", "image", "metadata=ready preview=ready"),
    "corrupt/bmp-invalid-bpp.bmp": (
        "image/bmp",
        "image",
        "metadata=failed:damaged_file preview=failed:damaged_file",
    ),
    "corrupt/bomb_12000x12000_rgb.png": (
        "image/png",
        "image",
        "metadata=ready preview=failed:too_many_pixels",
    ),
    "corrupt/bomb_30000x30000_1bit.png": (
        "image/png",
        "image",
        "metadata=ready preview=failed:too_many_pixels",
    ),
    "corrupt/broken-exif-tag.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/empty.jpg": ("", "refused", "empty_file"),
    "corrupt/heic_cut.heic": ("image/heic", "image", "metadata=ready preview=failed:cut_off"),
    "corrupt/html_as.jpg": ("text/html", "other", ""),
    "corrupt/image_invalid.jpg": ("text/plain", "other", ""),
    "corrupt/invalid_quantization.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/jpeg_bitrot.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/jpeg_cut_25pct.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/jpeg_cut_2pct.jpg": (
        "image/jpeg",
        "image",
        "metadata=failed:damaged_file preview=failed:damaged_file",
    ),
    "corrupt/jpeg_cut_50pct.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/jpeg_cut_90pct.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/jpeg_cut_99pct.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/looks-like-svg.webp": ("image/webp", "image", "metadata=ready preview=ready"),
    "corrupt/png_bad_crc.png": ("image/png", "image", "metadata=ready preview=ready"),
    "corrupt/png_cut.png": ("image/png", "image", "metadata=ready preview=ready"),
    "corrupt/png_header_lies_2e9.png": (
        "image/png",
        "image",
        "metadata=failed:too_many_pixels preview=failed:too_many_pixels",
    ),
    "corrupt/png_ztxt_bomb_64MB.png": ("image/png", "image", "metadata=ready preview=ready"),
    "corrupt/polyglot_jpeg_html.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/random.jpg": ("application/octet-stream", "other", ""),
    "corrupt/single_point.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "corrupt/svg_billion_laughs.svg": ("image/svg+xml", "other", ""),
    "corrupt/svg_external_and_script.svg": ("image/svg+xml", "other", ""),
    "corrupt/truncated.gif": ("image/gif", "image", "metadata=ready preview=ready"),
    "corrupt/truncated.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/date_1901.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/date_2099_future.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/date_blank.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/date_digitized_only.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/date_invalid_2021_13_45.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/date_none.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/date_xmp_only.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/date_zero.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/datetimeoriginal-gps.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/empty_gps.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/face_regions_mwg.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/gps_invalid_lat_200.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/gps_lat_without_ref.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/gps_ne_berlin.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/gps_null_island.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/gps_nw_death_valley_below_sea.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/gps_se_sydney.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/gps_sw_rio.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/handwritten_notes_ocr.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/london_progressive.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/mongolels.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/picasa.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/prairie_falcon.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/rating5_label.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/sidecar_2010.xmp": ("text/plain", "other", ""),
    "exif/tanners_ridge.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/text_huge_description.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/thompson-springs.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/time-created.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "exif/tokyo_gps.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "faces/curie_orientation6.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "faces/curie_pierre_marie.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "faces/gauss.png": ("image/png", "image", "metadata=ready preview=ready"),
    "faces/newton.png": ("image/png", "image", "metadata=ready preview=ready"),
    "faces/solvay_1927.png": ("image/png", "image", "metadata=ready preview=ready"),
    "formats/8bit-sRGB.avif": ("image/avif", "image", "metadata=ready preview=ready"),
    "formats/8bit-sRGB.jxl": ("image/jxl", "image", "metadata=ready preview=ready"),
    "formats/animated.apng": ("image/apng", "image", "metadata=ready preview=ready"),
    "formats/animated.gif": ("image/gif", "image", "metadata=ready preview=ready"),
    "formats/animated.webp": ("image/webp", "image", "metadata=ready preview=ready"),
    "formats/animated_2frames.gif": ("image/gif", "image", "metadata=ready preview=ready"),
    "formats/animated_dispose_background.gif": ("image/gif", "image", "metadata=ready preview=ready"),
    "formats/avif_exif.avif": ("image/avif", "image", "metadata=ready preview=ready"),
    "formats/denali.webp": ("image/webp", "image", "metadata=ready preview=ready"),
    "formats/density_plot.png": ("image/png", "image", "metadata=ready preview=ready"),
    "formats/motionphoto_pixel.jpg": (
        "image/jpeg",
        "image",
        "metadata=ready motion=failed:damaged preview=ready",
    ),
    "formats/no_extension": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "formats/png_exif_in_ztxt.png": ("image/png", "image", "metadata=ready preview=ready"),
    "formats/progressive.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "formats/quote'and\"amp&.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "formats/still_photo_small.heic": ("image/heic", "image", "metadata=ready preview=ready"),
    "formats/upper case.JPG": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "formats/wrong_ext_is_jpeg.png": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "formats/ünï 日本語 🐎.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "objects/baby_bear.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "objects/dog_bicycle_truck.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "objects/dog_human.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "objects/jockey.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "objects/person_dog_horse.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o1.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o2.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o3.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o4.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o5.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o6.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o6.png": ("image/png", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o6.tif": ("image/tiff", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o6.webp": ("image/webp", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o7.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "orientation/jockey_o8.jpg": ("image/jpeg", "image", "metadata=ready preview=ready"),
    "video/audio_only.mp4": (
        "audio/mp4",
        "audio",
        "loudness=ready metadata=ready proxy=not_needed waveform=ready",
    ),
    "video/audio_shorter_than_video.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/av1.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/av1_aac.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/black_20s.mp4": (
        "video/mp4",
        "video",
        (
            "hover=not_needed "
            "loudness=not_needed metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/chapters.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/corrupt_malformed_free_box.mp4": ("video/mp4", "video", "metadata=failed:moov_missing"),
    "video/empty.mp4": ("", "refused", "empty_file"),
    "video/empty_second_video_track.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/flower.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/flower.webm": (
        "video/webm",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/fragmented.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/h264_320x240_60fps_5s.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/h264_aac.flv": (
        "video/x-flv",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/h264_aac_51.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/h264_aac_gps.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/hdr10_av1_mdcv.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/hdr10_hevc.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/hdr10_x265_mastering.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/hevc_8k.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/hevc_hvc1_aac.mov": (
        "video/quicktime",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/hevc_rot90_metadata_track.mp4": (
        "video/mp4",
        "video",
        (
            "hover=not_needed "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/hlg_hevc_phone.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/hlg_x265.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/hls_ssrf_playlist.mp4": ("application/vnd.apple.mpegurl", "other", ""),
    "video/mkv_h264_ac3_srt.mkv": (
        "video/x-matroska",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=ready waveform=ready"
        ),
    ),
    "video/mpeg4_mp3.avi": (
        "video/x-msvideo",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/multi_audio_subs_chapters.mkv": (
        "video/x-matroska",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=ready waveform=ready"
        ),
    ),
    "video/no_audio.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/no_audio_3s.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/odd_321x241_h264_444.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/odd_321x241_vp9.webm": (
        "video/webm",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/one_frame.mp4": (
        "video/mp4",
        "video",
        (
            "hover=not_needed "
            "loudness=not_needed metadata=ready poster=ready proxy=not_needed sprites=not_needed subtitles=not_needed waveform=ready"
        ),
    ),
    "video/pcm_h264.mov": (
        "video/quicktime",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/phone_rot_180.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/phone_rot_minus90_portrait.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/phone_rot_plus90.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/rot270_5s.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/rotate_and_reflect.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/slowmo_vfr.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/text_named.mp4": ("text/plain", "other", ""),
    "video/timeline_faces_objects_speech.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/truncated.mkv": (
        "video/x-matroska",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=ready sprites=ready subtitles=ready waveform=ready"
        ),
    ),
    "video/truncated_faststart.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/truncated_no_moov.mp4": ("video/mp4", "video", "metadata=failed:moov_missing"),
    "video/vfr_518x488.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/vfr_switch.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/vp9_642x642_no_audio.webm": (
        "video/webm",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/vp9_opus.webm": (
        "video/webm",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/vp9_vorbis51.webm": (
        "video/webm",
        "video",
        (
            "hover=ready "
            "loudness=ready metadata=ready poster=ready proxy=not_needed sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
    "video/vvc_unsupported.mp4": (
        "video/mp4",
        "video",
        (
            "hover=ready "
            "loudness=not_needed metadata=ready poster=ready proxy=ready sprites=ready subtitles=not_needed waveform=ready"
        ),
    ),
}
